package httpapi

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// register tells huma of the domain's types whose JSON is not what their Go type says. They cannot say it themselves: the
// domain does not know huma.
func register(r huma.Registry) {
	alias[slipway.Duration, durationSchema](r)
	alias[slipway.Size, sizeSchema](r)
	alias[slipway.Strategy, strategySchema](r)
	alias[slipway.Digest, digestSchema](r)
	alias[slipway.Code, codeSchema](r)
	alias[slipway.BakeState, bakeStateSchema](r)
	alias[slipway.ImageState, imageStateSchema](r)
	alias[slipway.DeploymentState, deploymentStateSchema](r)
	alias[slipway.DeploymentKind, deploymentKindSchema](r)
	alias[slipway.ExecutionState, executionStateSchema](r)
	alias[slipway.InstanceState, instanceStateSchema](r)
	alias[slipway.TargetMode, targetModeSchema](r)
	alias[slipway.UndoKind, undoKindSchema](r)
	alias[slipway.DiffKind, diffKindSchema](r)
	alias[slipway.Amount, amountSchema](r)
	alias[slipway.Sticky, stickySchema](r)
	alias[slipway.ReleaseState, releaseStateSchema](r)
	alias[slipway.RestrictionKind, restrictionKindSchema](r)
	alias[slipway.Verb, verbSchema](r)
	alias[slipway.ConflictPolicy, conflictPolicySchema](r)
	alias[slipway.FailurePolicy, failurePolicySchema](r)
	alias[slipway.Phase, phaseSchema](r)
	alias[slipway.NoDataPolicy, noDataPolicySchema](r)
	alias[slipway.Outcome, outcomeSchema](r)
	alias[slipway.Grade, gradeSchema](r)
	alias[slipway.MetricSource, metricSourceSchema](r)
	alias[slipway.MetricDirection, metricDirectionSchema](r)
	alias[slipway.LowTrafficPolicy, lowTrafficPolicySchema](r)
	alias[slipway.ApprovalState, approvalStateSchema](r)
	alias[slipway.Condition, conditionSchema](r)
	alias[slipway.DriftKind, driftKindSchema](r)
	alias[slipway.ConfigType, configTypeSchema](r)
	alias[slipway.ConfigDelivery, configDeliverySchema](r)
	registerTriggers(r)
	alias[slipway.Role, roleSchema](r)
	alias[slipway.PrincipalKind, principalKindSchema](r)
	alias[slipway.PromotionState, promotionStateSchema](r)
	alias[slipway.ConstraintKind, constraintKindSchema](r)
	alias[huma.ErrorModel, Problem](r) // what huma describes every error as
}

func alias[T, As any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[As]())
}

// The types below stand in for the domain's; see register.
type (
	durationSchema         struct{}
	sizeSchema             struct{}
	strategySchema         struct{}
	digestSchema           struct{}
	codeSchema             struct{}
	bakeStateSchema        struct{}
	imageStateSchema       struct{}
	deploymentStateSchema  struct{}
	deploymentKindSchema   struct{}
	executionStateSchema   struct{}
	instanceStateSchema    struct{}
	targetModeSchema       struct{}
	undoKindSchema         struct{}
	diffKindSchema         struct{}
	amountSchema           struct{}
	stickySchema           struct{}
	releaseStateSchema     struct{}
	restrictionKindSchema  struct{}
	verbSchema             struct{}
	conflictPolicySchema   struct{}
	failurePolicySchema    struct{}
	phaseSchema            struct{}
	noDataPolicySchema     struct{}
	outcomeSchema          struct{}
	gradeSchema            struct{}
	metricSourceSchema     struct{}
	metricDirectionSchema  struct{}
	lowTrafficPolicySchema struct{}
	roleSchema             struct{}
	principalKindSchema    struct{}
	conditionSchema        struct{}
	driftKindSchema        struct{}
	promotionStateSchema   struct{}
	constraintKindSchema   struct{}
	approvalStateSchema    struct{}
)

func (durationSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "A duration in Go's form.", Examples: []any{"1m30s"}}
}

func (sizeSchema) Schema(huma.Registry) *huma.Schema {
	number := map[string]any{"type": "integer"}
	return either("The number of instances: one number for all three, or an object.", number, map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"min": number, "desired": number, "max": number},
		"additionalProperties": false,
	})
}

func (strategySchema) Schema(r huma.Registry) *huma.Schema {
	options := map[string]any{}
	for f := range reflect.TypeFor[slipway.Strategy]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		options[name] = map[string]any{"oneOf": []any{r.Schema(f.Type.Elem(), true, f.Name), map[string]any{"type": "null"}}}
	}
	return either("How traffic moves from one server group to the next: a name, or an object with the name as its only key and options as its value.",
		map[string]any{"type": "string", "enum": slipway.Strategies},
		map[string]any{"type": "object", "properties": options, "additionalProperties": false})
}

// either describes a type of several forms. That is for readers: huma's check of it would only say that no form fits, where
// the type's own UnmarshalJSON says what is wrong.
func either(description string, forms ...any) *huma.Schema {
	return &huma.Schema{Description: description, Extensions: map[string]any{"oneOf": forms}}
}

func (digestSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "A SHA-256 in OCI form: sha256: and 64 lower-case hex digits."}
}

func (codeSchema) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, c := range slipway.Codes {
		s.Enum = append(s.Enum, string(c.Code))
	}
	return s
}

func (bakeStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.BakeRunning, slipway.BakeSucceeded, slipway.BakeFailed, slipway.BakeAborted)
}

func (imageStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ImageUntested, slipway.ImageReady, slipway.ImageFailed)
}

func (deploymentStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.DeploymentQueued, slipway.DeploymentRunning, slipway.DeploymentHeld, slipway.DeploymentUndoing,
		slipway.DeploymentSucceeded, slipway.DeploymentRolledBack, slipway.DeploymentAborted, slipway.DeploymentNeedsAttention)
}

func (deploymentKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.KindDeploy, slipway.KindRollback)
}

func (executionStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ExecutionQueued, slipway.ExecutionRunning, slipway.ExecutionSucceeded, slipway.ExecutionFailed, slipway.ExecutionAborted)
}

func (instanceStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.InstanceStarting, slipway.InstanceHealthy, slipway.InstanceUnhealthy, slipway.InstanceStopping, slipway.InstanceDead)
}

func (targetModeSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.Active, slipway.Standby, slipway.Off)
}

func (undoKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.UndoDestroyGroup, slipway.UndoRestoreRoute, slipway.UndoResizeGroup)
}

func (diffKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.DiffAdded, slipway.DiffRemoved, slipway.DiffChanged, slipway.DiffSame)
}

func (amountSchema) Schema(huma.Registry) *huma.Schema {
	return either("A number of machines, or a share of them.", map[string]any{"type": "integer"}, map[string]any{"type": "string", "pattern": "^[0-9]+%$"})
}

func (stickySchema) Schema(huma.Registry) *huma.Schema {
	text := map[string]any{"type": "string"}
	return either("By what a client is known again: cookie, or an object with one key.", map[string]any{"type": "string", "enum": []string{"cookie"}},
		map[string]any{"type": "object", "properties": map[string]any{"cookie": text, "header": text}, "additionalProperties": false})
}

func (releaseStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ReleaseRunning, slipway.ReleaseSucceeded, slipway.ReleaseRolledBack, slipway.ReleaseAborted, slipway.ReleaseNeedsAttention)
}

func (restrictionKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.RestrictionFreeze, slipway.RestrictionPin, slipway.RestrictionVeto)
}

func (verbSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.Verbs...)
}

func (conflictPolicySchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ConflictRefuse, slipway.ConflictQueue, slipway.ConflictSupersede)
}

func (failurePolicySchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.FailureRollback, slipway.FailureHold)
}

func (phaseSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.PhaseBefore, slipway.PhaseDuring, slipway.PhaseAfter)
}

func (noDataPolicySchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.NoDataFail, slipway.NoDataHold, slipway.NoDataPass)
}

func (outcomeSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.OutcomePass, slipway.OutcomeFail, slipway.OutcomeNoData)
}

func (gradeSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.GradePass, slipway.GradeMarginal, slipway.GradeFail, slipway.GradeNoData)
}

func (metricSourceSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.SourceErrors, slipway.SourceLatency)
}

func (metricDirectionSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.DirectionIncrease, slipway.DirectionDecrease, slipway.DirectionEither)
}

func (lowTrafficPolicySchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.LowTrafficExtend, slipway.LowTrafficHold, slipway.LowTrafficPass)
}

func (approvalStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ApprovalPending, slipway.ApprovalGranted, slipway.ApprovalRejected, slipway.ApprovalExpired, slipway.ApprovalCanceled)
}

func (conditionSchema) Schema(huma.Registry) *huma.Schema { return enum(slipway.Conditions...) }

func (driftKindSchema) Schema(huma.Registry) *huma.Schema { return enum(slipway.DriftKinds...) }

func (roleSchema) Schema(huma.Registry) *huma.Schema { return enum(slipway.Roles...) }

func (principalKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.PrincipalLocal, slipway.PrincipalUser, slipway.PrincipalToken, slipway.PrincipalWorkload, slipway.PrincipalSystem)
}

func (promotionStateSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.PromotionStates...)
}

func (constraintKindSchema) Schema(huma.Registry) *huma.Schema {
	return enum(slipway.ConstraintKinds...)
}

func enum[T ~string](values ...T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}
