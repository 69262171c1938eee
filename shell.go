package slipway

// ShellRequest asks for a program that a person looks around with, in a machine that is made for it and removed afterwards, or in the
// sandbox that a failed bake has kept.
type ShellRequest struct {
	Command   []string  `json:"command,omitempty"`    // empty: a shell
	User      string    `json:"user,omitempty"`       // as Service.User; default root. Not in a sandbox
	NoService bool      `json:"no_service,omitempty"` // the machine's service is not started
	Terminal  *Terminal `json:"terminal,omitempty"`   // the person's; without one the program has pipes
}
