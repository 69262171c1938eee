package local

import (
	"bytes"
	"fmt"
	"net"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// forwarding lets the host pass packets on between its interfaces.
const forwarding = "/proc/sys/net/ipv4/ip_forward"

// openNAT lets machines reach what the host reaches, by the host's addresses, and lets nobody reach machines by way of the
// host: who is outside gets answers only. The rules are a table of their own, and made anew in one transaction.
func (n *network) openNAT() error {
	conn, err := n.netfilter()
	if err != nil {
		return err
	}
	table := n.natTable()
	conn.AddTable(table) // or there may be none to delete
	conn.DelTable(table)
	conn.AddTable(table)
	accept := nftables.ChainPolicyAccept
	leaving := conn.AddChain(&nftables.Chain{
		Name: "leaving", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource, Policy: &accept,
	})
	passing := conn.AddChain(&nftables.Chain{
		Name: "passing", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	})
	var bridge [16]byte // as the kernel compares names
	copy(bridge[:], n.name)
	const sourceAddress, addressLen = 12, 4 // in the IPv4 header
	// ip saddr <subnet> oifname != <bridge> masquerade
	conn.AddRule(&nftables.Rule{Table: table, Chain: leaving, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceAddress, Len: addressLen},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: addressLen, Mask: net.CIDRMask(subnetBits, 32), Xor: make([]byte, addressLen)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: n.subnet.Addr().AsSlice()},
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: bridge[:]},
		&expr.Masq{},
	}})
	const state = 4 // length of a connection's state
	// oifname <bridge> iifname != <bridge> ct state != {established, related} drop
	conn.AddRule(&nftables.Rule{Table: table, Chain: passing, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: bridge[:]},
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: bridge[:]},
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: state,
			Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED), Xor: make([]byte, state),
		},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, state)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("nf_tables: %w", err)
	}
	if now, err := os.ReadFile(forwarding); err == nil && bytes.Equal(bytes.TrimSpace(now), []byte("1")) {
		return nil
	}
	if err := os.WriteFile(forwarding, []byte("1"), 0); err != nil {
		return err
	}
	n.log.Info("IPv4 forwarding is now on, for machines to reach other networks")
	return nil
}

// closeNAT removes the rules; nil if there are none.
func (n *network) closeNAT() error {
	conn, err := n.netfilter()
	if err != nil {
		return err
	}
	conn.AddTable(n.natTable())
	conn.DelTable(n.natTable())
	return conn.Flush()
}

func (n *network) netfilter() (*nftables.Conn, error) {
	return nftables.New(nftables.WithNetNSFd(int(n.home.Fd())))
}

func (n *network) natTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyIPv4, Name: n.name}
}
