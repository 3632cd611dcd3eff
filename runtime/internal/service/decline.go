package service

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
)

// declineRequest are the parameters of the method decline.
type declineRequest struct {
	podNamed
	// Reason is in the form of a condition's reason, and Message explains it.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Fallback is as in a plan; the default is fresh.
	Fallback string `json:"fallback"`
}

// declineMessageBytes is the longest message. Messages of the registry's errors have some hundred bytes.
const declineMessageBytes = 4096

var declineReason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// decision checks the parameters and returns the decision.
func (r declineRequest) decision() (string, error) {
	if err := r.validate(); err != nil {
		return "", err
	}
	switch {
	case !declineReason.MatchString(r.Reason):
		return "", invalid("reason %.80q is not in the form of a condition's reason", r.Reason)
	case len(r.Message) > declineMessageBytes:
		return "", invalid("the message has %d bytes, more than %d", len(r.Message), declineMessageBytes)
	}
	switch r.Fallback {
	case "", plan.FallbackFresh:
		return plan.Fresh, nil
	case plan.FallbackFail:
		return plan.Fail, nil
	default:
		return "", invalid("fallback is %.80q, not %s or %s", r.Fallback, plan.FallbackFresh, plan.FallbackFail)
	}
}

// decline decides about a pod that gets no plan, so that its containers do not wait for one, and deletes what is staged for
// it. It does nothing if the pod has a decision without a plan, and fails if it has a plan.
func (s *Service) decline(params declineRequest) (any, error) {
	decision, err := params.decision()
	if err != nil {
		return nil, err
	}
	release, err := s.restores.begin(params.PodUID, wholePod)
	if err != nil {
		return nil, err
	}
	defer release()
	err = plan.Decline(s.plans, params.PodUID, decision, params.Reason, params.Message, time.Now().UTC())
	if errors.Is(err, plan.ErrPlanExists) {
		err = s.withoutPlan(params.PodUID)
	}
	if err != nil {
		return nil, err
	}
	s.restores.end(params.PodUID)
	return struct{}{}, os.RemoveAll(s.staging(params.PodUID))
}

// withoutPlan fails if a pod has a plan.
func (s *Service) withoutPlan(podUID string) error {
	pod, err := plan.Open(s.plans, podUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pod.Close()
	found, err := pod.Read()
	if errors.Is(err, plan.ErrNoPlan) {
		return nil
	}
	if err != nil {
		return err
	}
	return &dump.Error{Reason: reasonStarted, Err: fmt.Errorf("pod %s has a plan of checkpoint %s", podUID, found.Checkpoint)}
}
