package httpapi

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// stall is how long a client may take to receive one piece of a stream before it is given up.
const stall = 30 * time.Second

// flow is an answer whose pieces are sent as they are written.
type flow struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// newFlow sends the head of the answer.
func newFlow(c huma.Context, contentType string) *flow {
	_, w := humago.Unwrap(c)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // asks proxies not to hold it back
	w.WriteHeader(http.StatusOK)
	f := &flow{w: w, control: http.NewResponseController(w)}
	_ = f.control.Flush() // fails when the client is gone, as the first Write will
	return f
}

// Write implements io.Writer.
func (f *flow) Write(p []byte) (int, error) {
	_ = f.control.SetWriteDeadline(time.Now().Add(stall)) // not every writer can; then a stalled client is the server's business
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}
