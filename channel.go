package slipway

import (
	"regexp"
	"time"
)

// latestRef means the newest ready image, wherever a reference does.
const latestRef = "latest"

// digitsForm is what FindImage takes for the first digits of a digest.
var digitsForm = regexp.MustCompile(`^[0-9a-f]{6,64}$`)

// ValidateChannel returns an Invalid error unless name can name a channel: 1 to 32 lower-case letters, digits and dashes, a letter
// first, no dash last. "latest" is taken, and what could be digits of a digest ("facade") is refused: it would hide an image.
func ValidateChannel(name string) error {
	if err := ValidateName("channel", name); err != nil {
		return err
	}
	if name == latestRef {
		return Errorf(Invalid, "cannot use %q as name of the channel: it always means the newest image", name)
	}
	if digitsForm.MatchString(name) {
		return Errorf(Invalid, "cannot use %q as name of the channel: it could be the first digits of an image's digest", name)
	}
	return nil
}

// ChannelMove asks that a channel name an image from now on.
type ChannelMove struct {
	Application string    `json:"application"`
	Name        string    `json:"name"`
	Image       Digest    `json:"image"`
	IfAt        Digest    `json:"if_at,omitempty"`  // move it only if it names this image now; "" is no condition
	Create      bool      `json:"create,omitempty"` // make it if there is none
	By          string    `json:"by,omitempty"`
	At          time.Time `json:"at"`
}
