package diff

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/slipway-sh/slipway"
)

// What of texts is shown, in bytes.
const (
	maxConfiguration = 256 << 10 // of a file below /etc
	maxText          = 64 << 10  // of any other
	maxTextDiff      = 32 << 10  // of one file's difference
	maxAllTexts      = 1 << 20   // of all differences
)

const cutShort = "… cut short\n"

// addTexts gives changed text files their difference: those below /etc first, for as long as there is room.
func addTexts(ctx context.Context, found []difference) error {
	room := maxAllTexts
	for _, configuration := range []bool{true, false} {
		for i := range found {
			f := &found[i]
			if strings.HasPrefix(f.Path, "/etc/") != configuration || !slices.Contains(f.What, slipway.AspectContent) {
				continue
			}
			if room <= 0 {
				return nil
			}
			limit := int64(maxText)
			if configuration {
				limit = maxConfiguration
			}
			if f.Old.Size > limit || f.New.Size > limit {
				continue
			}
			var err error
			if f.Text, err = textDiff(ctx, *f, limit); err != nil {
				return err
			}
			room -= len(f.Text)
		}
	}
	return nil
}

// textDiff returns the unified difference of two files, "" if one is no text.
func textDiff(ctx context.Context, f difference, limit int64) (string, error) {
	before, err := f.old.text(ctx, limit)
	if err != nil || !isText(before) {
		return "", err
	}
	after, err := f.new.text(ctx, limit)
	if err != nil || !isText(after) {
		return "", err
	}
	text := udiff.Unified("a"+f.Path, "b"+f.Path, before, after)
	if len(text) > maxTextDiff {
		text = text[:strings.LastIndexByte(text[:maxTextDiff], '\n')+1] + cutShort
	}
	return text, nil
}

// isText reports whether content is UTF-8 without what a terminal would take for a command.
func isText(content string) bool {
	return utf8.ValidString(content) && !strings.ContainsFunc(content, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' && r != '\f' || r == 0x7f
	})
}
