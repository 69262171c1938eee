package diff

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// capabilities are Linux's, by number.
var capabilities = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
	sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
	wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

// capabilityText returns what the extended attribute security.capability gives a program, as getcap(8) has it: "cap_net_raw=ep". It is
// false for a value of an unknown form.
func capabilityText(value string) (string, bool) {
	const revision, effective = 0xff000000, 1
	if len(value) < 4 {
		return "", false
	}
	b := []byte(value)
	magic := binary.LittleEndian.Uint32(b)
	words := map[uint32]int{1 << 24: 1, 2 << 24: 2, 3 << 24: 2}[magic&revision]
	if words == 0 || len(b) < 4+8*words {
		return "", false
	}
	var permitted, inheritable uint64
	for w := range words {
		permitted |= uint64(binary.LittleEndian.Uint32(b[4+8*w:])) << (32 * w)
		inheritable |= uint64(binary.LittleEndian.Uint32(b[8+8*w:])) << (32 * w)
	}
	groups := map[string][]string{}
	var order []string
	for n := range 64 {
		flags := ""
		if magic&effective != 0 && (permitted|inheritable)>>n&1 != 0 {
			flags += "e"
		}
		if inheritable>>n&1 != 0 {
			flags += "i"
		}
		if permitted>>n&1 != 0 {
			flags += "p"
		}
		if flags == "" {
			continue
		}
		name := fmt.Sprint(n)
		if n < len(capabilities) {
			name = "cap_" + capabilities[n]
		}
		if groups[flags] == nil {
			order = append(order, flags)
		}
		groups[flags] = append(groups[flags], name)
	}
	var text []string
	for _, flags := range order {
		text = append(text, strings.Join(groups[flags], ",")+"="+flags)
	}
	return strings.Join(text, " "), true
}
