package main

import (
	"context"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/attest"
	"github.com/slipway-sh/slipway/audit"
)

// checkpointing returns what takes checkpoints of the audit log until its context is done, nil if that is not wanted. Invalid if it makes no
// sense.
func (o *options) checkpointing(log audit.Log, keys *attest.Keyring) (func(context.Context) error, error) {
	switch {
	case o.checkpoints == "":
		return nil, nil
	case o.checkpointEvery < time.Second:
		return nil, slipway.Errorf(slipway.Invalid, "cannot take a checkpoint of the audit log every %s: want 1s or more as --audit-checkpoint-every", o.checkpointEvery)
	case o.checkpointEntries < 1:
		return nil, slipway.Errorf(slipway.Invalid, "cannot take a checkpoint of the audit log after %d entries: want 1 or more as --audit-checkpoint-entries", o.checkpointEntries)
	}
	trusted, err := keys.Trusted()
	if err != nil {
		return nil, err
	}
	k := &audit.Keeper{Audit: log, Key: keys.Signing(), File: o.checkpoints, Every: o.checkpointEvery, Entries: o.checkpointEntries, Log: o.log}
	for _, key := range trusted {
		k.Trusted = append(k.Trusted, key.PEM())
	}
	return k.Run, nil
}
