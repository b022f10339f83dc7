package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"deadpixel/resolver/serve"
)

// adviseListen turns a refusal of the kernel into what to do about it. key is
// where the address is written, flag the way around it on the command line.
func adviseListen(err error, key, flag string) error {
	if err == nil {
		return nil
	}
	address, port := "", ""
	var dns *serve.ListenError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		address = dns.Addr
	case errors.As(err, &op) && op.Addr != nil:
		address = op.Addr.String()
	}
	if _, p, split := net.SplitHostPort(address); split == nil {
		port = p
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && port == "53":
		return fmt.Errorf("%s: port 53 on %s is taken by another program; `ss -ulpn sport = 53` names it. Usual ones:\n"+
			"  systemd-resolved (its stub on 127.0.0.53): write DNSStubListener=no into /etc/systemd/resolved.conf.d/deadpixel.conf\n"+
			"    under [Resolve], then `systemctl restart systemd-resolved`; or listen on this machine's own address only\n"+
			"  dnsmasq: port=0 in /etc/dnsmasq.conf keeps its DHCP and frees the port, or `systemctl disable --now dnsmasq`\n"+
			"  another deadpixel: `systemctl stop deadpixel deadpixel.socket`\n"+
			"to try deadpixel beside it: %s", key, address, flag)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is taken by another program; `ss -lpn sport = %s` names it; stop it or choose another port: %s", key, address, port, flag)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: no permission to listen on %s. Ports below 1024 need one of these:\n"+
			"  the unit in systemd/, which is handed the port and needs no privileges\n"+
			"  setcap cap_net_bind_service=+ep deadpixel\n"+
			"  a higher port: %s", key, address, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is no address of this machine (now); `ip address` shows them; \":%s\" listens on all", key, address, port)
	}
	return fmt.Errorf("%s: %w", key, err)
}
