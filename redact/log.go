package redact

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
)

// Handler is a [slog.Handler] that hands on what was logged without what is secret in it.
type Handler struct{ next slog.Handler }

// NewHandler returns a handler in front of next.
func NewHandler(next slog.Handler) *Handler { return &Handler{next} }

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = attr(a)
	}
	return &Handler{h.next.WithAttrs(clean)}
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler { return &Handler{h.next.WithGroup(name)} }

func attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		group := a.Value.Group()
		clean := make([]slog.Attr, len(group))
		for i, one := range group {
			clean[i] = attr(one)
		}
		a.Value = slog.GroupValue(clean...)
	case slog.KindString:
		a.Value = slog.StringValue(hideOr(a.Key, a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case nil:
		case error:
			a.Value = slog.StringValue(hideOr(a.Key, v.Error()))
		case fmt.Stringer:
			a.Value = slog.StringValue(hideOr(a.Key, v.String()))
		case encoding.TextMarshaler:
			if text, err := v.MarshalText(); err == nil {
				a.Value = slog.StringValue(hideOr(a.Key, string(text)))
			}
		case []byte:
			a.Value = slog.StringValue(hideOr(a.Key, string(v)))
		case []string:
			clean := make([]string, len(v))
			for i := range v {
				clean[i] = hideOr(a.Key, v[i])
			}
			a.Value = slog.AnyValue(clean)
		default:
			if word := reflect.ValueOf(v); word.Kind() == reflect.String {
				a.Value = slog.StringValue(hideOr(a.Key, word.String()))
			} else if text, err := json.Marshal(v); err == nil {
				a.Value = slog.StringValue(hideOr(a.Key, string(JSON(text))))
			}
		}
	default:
		if IsSecret(a.Key) {
			a.Value = slog.StringValue(Hidden)
		}
	}
	return a
}

func hideOr(key, text string) string {
	if IsSecret(key) && text != "" {
		return Hidden
	}
	return Text(text)
}
