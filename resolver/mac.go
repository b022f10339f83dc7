package resolver

import (
	"fmt"
	"net"
)

// MAC is the hardware address of a device (EUI-48). The zero value is nobody's.
type MAC [6]byte

// ParseMAC reads a MAC in the forms aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff and
// aabb.ccdd.eeff. Addresses of groups are refused.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q is no MAC: write it like aa:bb:cc:dd:ee:ff", s)
	}
	m := MAC(hw)
	if m == (MAC{}) || m.group() {
		return MAC{}, fmt.Errorf("%q is the MAC of no single device", s)
	}
	return m, nil
}

// group says whether m addresses many devices (IEEE 802, the I/G bit).
func (m MAC) group() bool { return m[0]&1 != 0 }

// String is m like aa:bb:cc:dd:ee:ff.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }
