package execute

import (
	"fmt"
	"strings"
	"time"
)

// took says how long something took: "41 ms", "1.2 s", "3m12s".
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// firstLine returns the first line of a failure's text. What follows is the end of an output, which the record has.
func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}
