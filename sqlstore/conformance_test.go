package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/storetest"
)

func TestSQLite(t *testing.T) {
	conforms(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "slipway.db") })
}

// conforms runs every suite of every interface that the store implements. where is an empty database each time.
func conforms(t *testing.T, where func(*testing.T) string) {
	storetest.Exercise(t, func(t *testing.T) slipway.Store { return open(t, where(t)) })
	storetest.ExerciseLists(t, func(t *testing.T) storetest.Listed { return open(t, where(t)) })
	storetest.ExerciseRecords(t, func(t *testing.T) storetest.Recorded { return open(t, where(t)) })
	storetest.ExerciseRequestKeys(t, func(t *testing.T) slipway.RequestKeys { return open(t, where(t)) })
	storetest.ExercisePipelines(t, func(t *testing.T) storetest.PipelineStore { return open(t, where(t)) })
	storetest.ExerciseApprovals(t, func(t *testing.T) slipway.ApprovalStore { return open(t, where(t)) })
	storetest.ExercisePromotions(t, func(t *testing.T) slipway.PromotionStore { return open(t, where(t)) })
	storetest.ExerciseLosses(t, func(t *testing.T) slipway.LossStore { return open(t, where(t)) })
	storetest.ExerciseTriggers(t, func(t *testing.T) slipway.TriggerStore { return open(t, where(t)) })
	storetest.ExerciseSubscriptions(t, func(t *testing.T) slipway.SubscriptionStore { return open(t, where(t)) })
	storetest.ExerciseAccess(t, func(t *testing.T) slipway.AccessStore { return open(t, where(t)) })
	storetest.ExerciseConfig(t, func(t *testing.T) slipway.ConfigStore { return open(t, where(t)) })
	storetest.ExerciseSizes(t, open(t, where(t)))
	storetest.ExerciseAccess(t, func(t *testing.T) slipway.AccessStore { return open(t, where(t)) })
	var last string
	storetest.Audit(t,
		func(t *testing.T) slipway.AuditLog { last = where(t); return open(t, last) },
		func(t *testing.T) slipway.AuditLog { return open(t, last) })
}
