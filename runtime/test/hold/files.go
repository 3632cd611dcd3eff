package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// files are the kinds of open files and directories.
var files = map[string]open{
	"nothing": func(string) (use, error) { return nil, nil },
	"file":    func(string) (use, error) { return keep(os.Create("/held")) },
	"volume-file": func(directory string) (use, error) {
		return keep(os.Create(filepath.Join(directory, "held")))
	},
	"deleted-file": func(string) (use, error) {
		file, err := os.Create("/held")
		return keep(file, errors.Join(err, os.Remove("/held")))
	},
	"deleted-directory": func(string) (use, error) {
		err := errors.Join(os.Mkdir("/held", 0o755), os.Chdir("/held"), os.Remove("/held"))
		return func() error { _, err := os.Stat("."); return err }, err
	},
	"memfd": func(string) (use, error) {
		fd, err := unix.MemfdCreate("held", 0)
		return keep(os.NewFile(uintptr(fd), "memfd"), err)
	},
	"memfd-huge": func(string) (use, error) {
		fd, err := unix.MemfdCreate("held", unix.MFD_HUGETLB)
		if err != nil {
			return nil, err
		}
		return mapped(fd, 2<<20)
	},
	"memfd-secret": func(string) (use, error) {
		fd, _, errno := unix.Syscall(unix.SYS_MEMFD_SECRET, 0, 0, 0)
		if errno != 0 {
			return nil, errno
		}
		if err := unix.Ftruncate(int(fd), 4096); err != nil {
			return nil, err
		}
		return mapped(int(fd), 4096)
	},
	"pipe": func(string) (use, error) {
		reader, writer, err := os.Pipe()
		return exchange(writer, reader), err
	},
	"fifo": func(directory string) (use, error) {
		name := filepath.Join(directory, "held")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(name, os.O_RDWR, 0)
		return exchange(file, file), err
	},
	"flock": lock(func(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_EX) }),
	"posix-lock": lock(func(file *os.File) error {
		return unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 10})
	}),
	"ofd-lock": lock(func(file *os.File) error {
		return unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 10})
	}),
	"lease": lock(func(file *os.File) error {
		_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
		return err
	}),
	"path": func(string) (use, error) {
		fd, err := unix.Open("/bin", unix.O_PATH, 0)
		return func() error { return unix.Fstat(fd, &unix.Stat_t{}) }, err
	},
	"device":    func(name string) (use, error) { return opened(os.OpenFile(name, os.O_RDONLY, 0)) },
	"device-rw": func(name string) (use, error) { return opened(os.OpenFile(name, os.O_RDWR, 0)) },
	"tun": func(string) (use, error) {
		file, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		request, _ := unix.NewIfreq("held0")
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return func() error { return nil }, errors.Join(unix.IoctlIfreq(int(file.Fd()), unix.TUNSETIFF, request))
	},
	"pty": func(string) (use, error) {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, err
		}
		number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		if err == nil {
			err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
		}
		if err != nil {
			return nil, err
		}
		slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
		return func() error {
			if _, err := io.WriteString(slave, "x\n"); err != nil {
				return err
			}
			_, err := master.Read(make([]byte, 16))
			return err
		}, err
	},
	// A file of the kernel that a program reads again and again by an open descriptor, as a cgroup's limits.
	"kernel-file": func(name string) (use, error) { return readAgain(os.Open(name)) },
}

// opened keeps a file that is not used.
func opened(file *os.File, err error) (use, error) {
	return func() error { _, err := file.Stat(); return err }, err
}

// keep writes a number to a file and reads it back.
func keep(file *os.File, err error) (use, error) {
	number := 0
	return func() error {
		if number > 0 {
			text := make([]byte, 20)
			if _, err := file.ReadAt(text, 0); err != nil {
				return err
			}
			if want := fmt.Sprintf("%020d", number); string(text) != want {
				return fmt.Errorf("the file has %q, not %s", text, want)
			}
		}
		number++
		_, err := file.WriteAt(fmt.Appendf(nil, "%020d", number), 0)
		return err
	}, err
}

// readAgain reads a file from its beginning.
func readAgain(file *os.File, err error) (use, error) {
	return func() error {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.ReadAll(file)
		return err
	}, err
}

// mapped writes to a file by a mapping and reads it back.
func mapped(fd, size int) (use, error) {
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	last := byte(0)
	return func() error {
		if memory[0] != last {
			return fmt.Errorf("the memory has %d, not %d", memory[0], last)
		}
		last++
		memory[0] = last
		return nil
	}, err
}

// exchange writes bytes to one side and reads them from the other.
func exchange(to io.Writer, from io.Reader) use {
	number := byte(0)
	return func() error {
		number++
		if _, err := to.Write([]byte{number}); err != nil {
			return err
		}
		got := make([]byte, 1)
		if _, err := io.ReadFull(from, got); err != nil {
			return err
		}
		if got[0] != number {
			return fmt.Errorf("received %d, not %d", got[0], number)
		}
		return nil
	}
}

// lock takes a lock of a file, and checks that the kernel lists a lock of the file.
func lock(take func(*os.File) error) open {
	return func(string) (use, error) {
		file, err := os.Create("/held")
		if err != nil {
			return nil, err
		}
		return func() error {
			var stat unix.Stat_t
			if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
				return err
			}
			text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", file.Fd()))
			if err != nil {
				return err
			}
			if !contains(text, "lock:") {
				return errors.New("the lock is lost")
			}
			return nil
		}, take(file)
	}
}
