package relay

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuard(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/16")}
	tests := []struct {
		addr string
		why  string // empty: may be dialled
	}{
		{"8.8.8.8:443", ""},
		{"8.8.8.8:80", ""},
		{"8.8.8.8:1024", ""},
		{"8.8.8.8:65535", ""},
		{"8.8.8.8:22", "port below 1024"},
		{"8.8.8.8:1023", "port below 1024"},
		{"8.8.8.8:0", "port below 1024"},
		{"0.0.0.0:443", "unspecified"},
		{"0.1.2.3:443", "unspecified"},
		{"127.0.0.1:443", "loopback"},
		{"127.255.255.255:443", "loopback"},
		{"10.0.0.1:443", "private"},
		{"10.1.2.3:443", ""},
		{"10.1.2.3:25", "port below 1024"},
		{"172.16.0.1:443", "private"},
		{"172.31.255.255:443", "private"},
		{"172.32.0.1:443", ""},
		{"192.168.1.1:443", "private"},
		{"100.64.0.1:443", "carrier-grade NAT"},
		{"100.100.100.200:80", "carrier-grade NAT"}, // Alibaba's metadata
		{"100.128.0.1:443", ""},
		{"169.254.169.254:80", "link-local"}, // metadata
		{"168.63.129.16:80", "metadata"},     // Azure's
		{"192.0.0.192:80", "reserved"},       // Oracle's metadata
		{"198.18.0.1:443", "benchmarking"},
		{"203.0.113.7:443", "documentation"},
		{"224.0.0.1:443", "multicast"},
		{"255.255.255.255:443", "reserved"},
		{"[2a00:1450::1]:443", ""},
		{"[::]:443", "unspecified"},
		{"[::1]:443", "unspecified"}, // as an IPv4-compatible address
		{"[fe80::1%eth0]:443", "link-local"},
		{"[fc00::1]:443", "private"},
		{"[fd00::1]:443", ""},
		{"[fd00:ec2::254]:80", ""}, // inside what is allowed
		{"[fd12::1]:443", "private"},
		{"[fec0::1]:443", "reserved"},
		{"[ff02::1]:443", "multicast"},
		{"[2001:db8::1]:443", "documentation"},
		{"[2001:0:1::1]:443", "reserved"},
		{"[100::1]:443", "reserved"},
		{"[::ffff:127.0.0.1]:443", "loopback"},
		{"[::ffff:8.8.8.8]:443", ""},
		{"[::ffff:10.1.2.3]:443", ""},
		{"[::127.0.0.1]:443", "loopback"},
		{"[64:ff9b::7f00:1]:443", "loopback"},
		{"[64:ff9b::a9fe:a9fe]:80", "link-local"},
		{"[64:ff9b::808:808]:443", ""},
		{"[64:ff9b:1::808:808]:443", "reserved"},
		{"[2002:7f00:1::]:443", "loopback"},
		{"[2002:a00:1::1]:443", "private"},
		{"[2002:808:808::1]:443", ""},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			err := guard{allow: allow}.control(t.Context(), "tcp", tt.addr, nil)
			if tt.why == "" {
				require.NoError(t, err)
				return
			}
			var refused *GuardError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.why, refused.Why)
		})
	}
	require.Error(t, guard{}.control(t.Context(), "tcp", "relay.example:443", nil))
}
