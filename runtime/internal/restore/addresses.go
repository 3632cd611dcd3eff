package restore

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/images"
	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// filesImage has the open files of all processes.
const filesImage = "files.img"

// images returns the directory of the verified images of the container.
func (r *run) images() string {
	return r.pod.Path(r.plan.Checkpoint, checkpoint.Containers, r.container.Name, checkpoint.Images)
}

// changeAddresses writes a private copy of files.img in which sockets that are bound to an address of the pod that was
// checkpointed are bound to that of the new pod. It returns its path, or "" if there is no such socket. The verified file
// stays as it is.
func (r *run) changeAddresses() (string, error) {
	network := r.network()
	if network == "" || len(r.checkpoint.PodIPs) == 0 {
		return "", nil
	}
	list, err := namespace.Addresses(network)
	if err != nil {
		return "", err
	}
	addresses := replacements(r.checkpoint.PodIPs, list)
	if len(addresses) == 0 {
		return "", nil
	}
	copied := filepath.Join(r.work(), filesImage)
	changed, err := replaceAddresses(filepath.Join(r.images(), filesImage), copied, addresses)
	if errors.Is(err, images.ErrFormat) || err == nil && changed == 0 {
		// CRIU says what it cannot read.
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", filesImage, err)
	}
	return copied, nil
}

// cover mounts copies of images over the verified ones of the same names, in the mount namespace of this thread. A link would
// not do: CRIU reads images also in processes that have the container's root already. It skips empty paths.
func (r *run) cover(copies ...string) error {
	for _, each := range copies {
		if each == "" {
			continue
		}
		if err := unix.Mount(each, filepath.Join(r.images(), filepath.Base(each)), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cannot mount the changed %s: %w", filepath.Base(each), err)
		}
	}
	return nil
}

func replaceAddresses(from, to string, addresses map[netip.Addr]netip.Addr) (int, error) {
	source, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	changed, err := images.ReplaceAddresses(source, copied, addresses)
	if closeErr := copied.Close(); err == nil {
		err = closeErr
	}
	return changed, err
}

// replacements returns the new address for each old one. Of several addresses of one family it is not known which one
// replaces which, so those that the new pod has not stay, and CRIU fails if a socket is bound to them.
func replacements(before []string, after []netip.Addr) map[netip.Addr]netip.Addr {
	old := map[bool][]netip.Addr{}
	for _, each := range before {
		if address, err := netip.ParseAddr(each); err == nil {
			old[address.Unmap().Is4()] = append(old[address.Unmap().Is4()], address.Unmap())
		}
	}
	replaced := map[netip.Addr]netip.Addr{}
	for is4, from := range old {
		to := []netip.Addr{}
		for _, each := range after {
			if each.Is4() == is4 {
				to = append(to, each)
			}
		}
		if len(from) == 1 && len(to) == 1 && from[0] != to[0] {
			replaced[from[0]] = to[0]
		}
	}
	return replaced
}
