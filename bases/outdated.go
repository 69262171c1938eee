package bases

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Newer says that what an image starts from has moved on, or may not be built on any more.
type Newer struct {
	From    string              `json:"from"`              // as the image's specification has it: "image:base@stable"
	Built   slipway.Base        `json:"built"`             // what the image was built on
	Now     *slipway.Base       `json:"now,omitempty"`     // what From means now; nil if that is the same, or nothing
	Revoked *slipway.Revocation `json:"revoked,omitempty"` // of what the image was built on
}

// String says it in one line: "parent is outdated: base@stable is now 1.3 (3f…); `slipway bake --refresh` builds on it".
func (n Newer) String() string {
	var text []string
	name := strings.TrimPrefix(n.From, "image:")
	if n.Revoked != nil {
		text = append(text, fmt.Sprintf("parent is revoked: %s was, %s", named(n.Built), n.Revoked))
	}
	if n.Now != nil {
		text = append(text, fmt.Sprintf("parent is outdated: %s is now %s; `slipway bake --refresh` builds on it", name, named(*n.Now)))
	}
	return strings.Join(text, "; ")
}

func named(b slipway.Base) string {
	return slipway.Image{Version: b.Version, Digest: b.Digest}.Name()
}

// Outdated returns how what an image of ours starts from has moved on since it was baked; nil if it has not, or cannot: a digest never
// moves, and what registries have meanwhile only refreshing asks.
func Outdated(ctx context.Context, images Images, image slipway.Image) (*Newer, error) {
	if image.Base == nil || image.Base.Application == "" {
		return nil, nil
	}
	n := Newer{From: image.Base.From, Built: *image.Base}
	built, err := images.FindImage(ctx, image.Base.Application, string(image.Base.Digest))
	switch {
	case err == nil:
		n.Revoked = built.Revoked
	case slipway.CodeOf(err) != slipway.NotFound:
		return nil, err
	}
	_, ref, _ := strings.Cut(image.Base.From, "@")
	if !isPinned(ref) {
		now, err := images.FindImage(ctx, image.Base.Application, ref)
		switch {
		case err == nil && now.Digest != image.Base.Digest && now.Revoked == nil:
			n.Now = &slipway.Base{From: n.From, Digest: now.Digest, Application: now.Application, Version: now.Version, Layers: len(now.Layers)}
		case err != nil && slipway.CodeOf(err) != slipway.NotFound:
			return nil, err
		}
	}
	if n.Now == nil && n.Revoked == nil {
		return nil, nil
	}
	return &n, nil
}
