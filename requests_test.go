package main

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r requests
		ip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
		for i := range maxRequests {
			if err := r.put(request{ip(i), "x.example", time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.put(request{ip(0), "x.example", time.Now()}); err != nil {
			t.Errorf("once more: %v", err)
		}
		if err := r.put(request{ip(0), "y.example", time.Now()}); err == nil {
			t.Error("one too many")
		}
		if n := r.settle("X.example.", from(ip(3))); n != 1 || len(r.open()) != maxRequests-1 {
			t.Errorf("%d settled, %d left", n, len(r.open()))
		}
		time.Sleep(requestKept)
		if len(r.open()) != 0 {
			t.Error("old ones are left")
		}
	})
}
