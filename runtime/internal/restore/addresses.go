package restore

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/images"
)

const (
	// filesImage has the open files of all processes.
	filesImage = "files.img"
	// imagesDirectory has links to CRIU's images in the directory of the restore's logs, and the images that were changed.
	imagesDirectory = "images"
)

// imageSet returns the directory of the images for CRIU. If sockets are bound to an address of the pod that was
// checkpointed, it is one with a private copy of files.img, in which they are bound to that of the new pod. The verified
// files stay as they are.
func (r *run) imageSet() (string, error) {
	verified := r.pod.Path(r.plan.Checkpoint, checkpoint.Containers, r.container.Name, checkpoint.Images)
	network := r.network()
	if network == "" || len(r.checkpoint.PodIPs) == 0 {
		return verified, nil
	}
	list, err := addressesIn(network)
	if err != nil {
		return "", err
	}
	addresses := replacements(r.checkpoint.PodIPs, list)
	if len(addresses) == 0 {
		return verified, nil
	}
	directory := filepath.Join(r.work(), imagesDirectory)
	if err := os.Mkdir(directory, 0o700); err != nil {
		return "", err
	}
	changed, err := replaceAddresses(filepath.Join(verified, filesImage), filepath.Join(directory, filesImage), addresses)
	if errors.Is(err, images.ErrFormat) {
		// CRIU says what it cannot read.
		return verified, nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", filesImage, err)
	}
	if changed == 0 {
		return verified, nil
	}
	entries, err := os.ReadDir(verified)
	for _, each := range entries {
		if each.Name() != filesImage && err == nil {
			err = os.Symlink(filepath.Join(verified, each.Name()), filepath.Join(directory, each.Name()))
		}
	}
	return directory, err
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

// addressesIn returns the addresses in a network namespace: those of a pod, without loopback and link-local ones.
func addressesIn(network string) ([]netip.Addr, error) {
	list := []netip.Addr{}
	err := inNetwork(network, func() error {
		addresses, err := net.InterfaceAddrs()
		for _, each := range addresses {
			if found, isIP := each.(*net.IPNet); isIP && found.IP.IsGlobalUnicast() {
				address, _ := netip.AddrFromSlice(found.IP)
				list = append(list, address.Unmap())
			}
		}
		return err
	})
	return list, err
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
