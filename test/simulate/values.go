package simulate

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/slipway-sh/slipway/memstore"
)

// values is a converter that carries values in memory instead of as JSON, which takes a third of the time of a simulated rollout. What it
// carries is a deep copy of what JSON carries.
type values struct {
	converter.DataConverter // for what it does not carry itself

	mu  sync.Mutex
	all []any
}

func newValues() *values { return &values{DataConverter: converter.GetDefaultDataConverter()} }

const inMemory = "memory"

// ToPayload implements converter.DataConverter.
func (v *values) ToPayload(value any) (*commonpb.Payload, error) {
	switch raw := value.(type) {
	case nil:
		return v.DataConverter.ToPayload(nil)
	case converter.RawValue:
		return raw.Payload(), nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, memstore.Copied(value))
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(inMemory)},
		Data:     binary.BigEndian.AppendUint32(nil, uint32(len(v.all)-1)),
	}, nil
}

// FromPayload implements converter.DataConverter.
func (v *values) FromPayload(payload *commonpb.Payload, to any) error {
	if raw, ok := to.(*converter.RawValue); ok {
		*raw = converter.NewRawValue(payload)
		return nil
	}
	if string(payload.GetMetadata()[converter.MetadataEncoding]) != inMemory {
		return v.DataConverter.FromPayload(payload, to)
	}
	v.mu.Lock()
	value := memstore.Copied(v.all[binary.BigEndian.Uint32(payload.GetData())])
	v.mu.Unlock()
	from, target := reflect.ValueOf(value), reflect.ValueOf(to).Elem()
	if from.Kind() == reflect.Pointer && !from.IsNil() && !from.Type().AssignableTo(target.Type()) {
		from = from.Elem()
	}
	if target.Kind() == reflect.Pointer && from.Type().AssignableTo(target.Type().Elem()) {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	if from.Type().AssignableTo(target.Type()) {
		target.Set(from)
		return nil
	}
	// Of another type: what JSON makes of it.
	encoded, err := v.DataConverter.ToPayload(value)
	if err != nil {
		return err
	}
	return v.DataConverter.FromPayload(encoded, to)
}

// ToPayloads implements converter.DataConverter.
func (v *values) ToPayloads(list ...any) (*commonpb.Payloads, error) {
	if len(list) == 0 {
		return nil, nil
	}
	payloads := &commonpb.Payloads{}
	for _, value := range list {
		p, err := v.ToPayload(value)
		if err != nil {
			return nil, err
		}
		payloads.Payloads = append(payloads.Payloads, p)
	}
	return payloads, nil
}

// FromPayloads implements converter.DataConverter.
func (v *values) FromPayloads(payloads *commonpb.Payloads, to ...any) error {
	for i, p := range payloads.GetPayloads() {
		if i >= len(to) {
			break
		}
		if err := v.FromPayload(p, to[i]); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
	}
	return nil
}

// ToString implements converter.DataConverter.
func (v *values) ToString(p *commonpb.Payload) string { return p.String() }

// ToStrings implements converter.DataConverter.
func (v *values) ToStrings(p *commonpb.Payloads) []string { return []string{p.String()} }
