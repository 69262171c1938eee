package httpapi

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// registerTriggers is [register], of what triggers and notifications have.
func registerTriggers(r huma.Registry) {
	alias[slipway.TriggerKind, triggerKindSchema](r)
	alias[slipway.FiringState, firingStateSchema](r)
	alias[slipway.DeliveryState, deliveryStateSchema](r)
}

type (
	triggerKindSchema   struct{}
	firingStateSchema   struct{}
	deliveryStateSchema struct{}
)

func (triggerKindSchema) Schema(huma.Registry) *huma.Schema { return enum(slipway.TriggerKinds...) }

func (firingStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.FiringPending, slipway.FiringStarted, slipway.FiringFiltered, slipway.FiringFailed)
}

func (deliveryStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.DeliveryPending, slipway.DeliveryDelivered, slipway.DeliveryDead, slipway.DeliveryDiscarded)
}
