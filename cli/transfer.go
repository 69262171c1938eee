package cli

import (
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
)

// transferView shows how far a transfer is: a line that is drawn over on a terminal, a line for what is worth one elsewhere, nothing with
// --json.
type transferView struct {
	f     *Factory
	doing string // "sending"
	alive bool
	drawn bool
}

func newTransferView(f *Factory, doing string) *transferView {
	return &transferView{f: f, doing: doing, alive: f.Terminal && f.Env("TERM") != "dumb"}
}

func (v *transferView) tell(t slipway.Transfer) {
	if v.f.json {
		return
	}
	if t.Message != "" {
		v.clear()
		if v.alive {
			fmt.Fprintf(v.f.Out, "  %s %s\n", good.text, t.Message)
		} else {
			fmt.Fprintf(v.f.Out, "%s %s\n", time.Now().Format("15:04:05.000"), t.Message)
		}
	}
	if v.alive && t.Blobs < t.BlobsTotal {
		fmt.Fprintf(v.f.Out, "%s  %s %d of %d blobs, %s of %s", erase, v.doing, t.Blobs, t.BlobsTotal, sizeText(t.Bytes), sizeText(t.BytesTotal))
		v.drawn = true
	}
}

// clear takes away the line that is drawn over.
func (v *transferView) clear() {
	if v.drawn {
		fmt.Fprint(v.f.Out, erase)
		v.drawn = false
	}
}

func (v *transferView) close() { v.clear() }
