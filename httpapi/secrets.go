package httpapi

import (
	"context"
	"maps"
	"slices"
)

type secretsInput struct {
	Body struct {
		Values map[string][]byte `json:"values" doc:"By name, in base64. 1 to 64 values of 4 bytes to 64 KiB, 1 MiB in all."`
	}
}

// recordable says what of the request is written into the audit log.
func (in *secretsInput) recordable() any {
	return map[string]any{"names": slices.Sorted(maps.Keys(in.Body.Values))}
}

type secretsOutput struct {
	Body struct {
		Handle string `json:"handle" doc:"For a bake's \"secrets\". It is no secret." example:"s-k3xw5wbgq2vvmzd7tqkd4dcyxa"`
	}
}

func (a *api) putSecrets(ctx context.Context, in *secretsInput) (*secretsOutput, error) {
	handle, err := a.Secrets.PutSecrets(ctx, in.Body.Values)
	if err != nil {
		return nil, err
	}
	out := &secretsOutput{}
	out.Body.Handle = handle
	return out, nil
}
