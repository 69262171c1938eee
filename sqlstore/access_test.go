package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/storetest"
)

func TestAccessStore(t *testing.T) {
	storetest.ExerciseAccess(t, func(t *testing.T) slipway.AccessStore { return open(t, filepath.Join(t.TempDir(), "slipway.db")) })
}
