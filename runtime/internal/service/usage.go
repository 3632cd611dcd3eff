package service

import "cedana.ai/cdk/runtime/internal/checkpoint"

// usagePods is the largest number of pods of one request: a kubelet runs 250.
const usagePods = 1000

// usageRequest are the parameters of the method usage.
type usageRequest struct {
	PodUIDs []string `json:"podUIDs"`
}

func (r usageRequest) validate() error {
	if len(r.PodUIDs) > usagePods {
		return invalid("there are %d pods, more than %d", len(r.PodUIDs), usagePods)
	}
	for _, each := range r.PodUIDs {
		if !checkpoint.IsUID(each) {
			return invalid("podUIDs has %.80q, which is invalid", each)
		}
	}
	return nil
}

// usageResult has the working set of each running container in bytes, by UID of the pod and name of the container.
type usageResult struct {
	Memory map[string]map[string]int64 `json:"memory"`
}

// usage reads the memory that pods use.
func (s *Service) usage(params usageRequest) (any, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	memory, err := s.memory.Read(params.PodUIDs)
	if err != nil {
		return nil, err
	}
	return usageResult{memory}, nil
}
