package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/storetest"
)

func TestConfigStore(t *testing.T) {
	storetest.ExerciseConfig(t, func(t *testing.T) slipway.ConfigStore { return open(t, filepath.Join(t.TempDir(), "slipway.db")) })
}

func TestSizeStore(t *testing.T) {
	storetest.ExerciseSizes(t, open(t, filepath.Join(t.TempDir(), "slipway.db")))
}
