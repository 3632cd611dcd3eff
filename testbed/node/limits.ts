/**
 * What a checkpoint can hold, and what it cannot: docs/runtime/limits.md has these tables, and test/node/runtime-limits.test.ts
 * tries each row on a real node with the program runtime/test/hold.
 */

/** A process that holds one kind of object. */
export interface Held {
  /** The object, as the docs name it. */
  readonly what: string;
  /** Arguments of the program hold. */
  readonly hold: readonly string[];
  /** Arguments of the program in a second container of the pod. */
  readonly second?: readonly string[];
  /** `all`: privileged. `some`: capabilities of an administrator. Default: those of an ordinary container. */
  readonly rights?: "all" | "some";
  /** Fields of the pod. */
  readonly pod?: Readonly<Record<string, unknown>>;
  /** What the checkpoint does with TCP connections. Default: `close`. */
  readonly tcp?: "close" | "loopback" | "refuse";
}

/** Something that the host service rejects before the freeze. */
export interface Rejected extends Held {
  /** Text of the message. */
  readonly message: string;
  /** The whole remedy. */
  readonly remedy: string;
}

const DATA = "/data";

/** Objects that work in the restored process as before. */
export const RESUMES: readonly Held[] = [
  { what: "open files", hold: ["file"] },
  { what: "files of an emptyDir", hold: ["volume-file", DATA] },
  { what: "deleted open files", hold: ["deleted-file"] },
  { what: "a deleted working directory", hold: ["deleted-directory"] },
  { what: "memfd", hold: ["memfd"] },
  { what: "pipes", hold: ["pipe"] },
  { what: "FIFOs", hold: ["fifo", DATA] },
  { what: "flock", hold: ["flock"] },
  { what: "POSIX file locks", hold: ["posix-lock"] },
  { what: "OFD locks", hold: ["ofd-lock"] },
  { what: "leases", hold: ["lease"] },
  { what: "O_PATH descriptors", hold: ["path"] },
  { what: "pseudoterminals", hold: ["pty"] },
  { what: "`/dev/null`, `/dev/zero` and the like", hold: ["device", "/dev/zero"] },
  { what: "open files of /proc", hold: ["kernel-file", "/proc/self/status"] },
  { what: "open files of /sys", hold: ["kernel-file", "/sys/kernel/mm/transparent_hugepage/enabled"] },
  { what: "eventfd", hold: ["eventfd"] },
  { what: "timerfd", hold: ["timerfd"] },
  { what: "signalfd", hold: ["signalfd"] },
  { what: "epoll", hold: ["epoll"] },
  { what: "AIO", hold: ["aio"] },
  { what: "pidfd", hold: ["pidfd"] },
  { what: "descriptors of namespaces", hold: ["namespace", "net"] },
  { what: "inotify on a volume", hold: ["inotify", DATA] },
  { what: "inotify on /etc, /var/log or /var/spool of the image", hold: ["inotify", "/etc"] },
  { what: "fanotify on a volume", hold: ["fanotify", DATA], rights: "some" },
  { what: "TCP listeners", hold: ["tcp-listener"] },
  {
    what: "TCP connections inside a container, with `tcp: loopback`",
    hold: ["tcp-connected"],
    tcp: "loopback",
  },
  { what: "TCP connections that were not accepted, which are closed", hold: ["tcp-backlog"] },
  {
    what: "TCP connections to others, with `tcp: close`, which are closed",
    hold: ["tcp-client", "REGISTRY"],
  },
  { what: "listeners on the only address of the pod, which is replaced", hold: ["tcp-listener-pod"] },
  { what: "UDP on loopback or on all addresses", hold: ["udp"] },
  { what: "UDP sockets of the only address of the pod, which is replaced", hold: ["udp-listener-pod"] },
  { what: "UDP sockets that are connected to others", hold: ["udp-client", "REGISTRY"] },
  { what: "ICMP sockets", hold: ["icmp"] },
  { what: "raw sockets", hold: ["raw"], rights: "some" },
  { what: "packet sockets", hold: ["packet"], rights: "some" },
  { what: "netlink sockets", hold: ["netlink"] },
  { what: "unix streams inside a container", hold: ["unix-stream", DATA] },
  { what: "unix seqpackets inside a container", hold: ["unix-seqpacket", DATA] },
  { what: "abstract unix sockets", hold: ["unix-abstract"] },
  { what: "unix datagrams inside a container", hold: ["unix-datagram", DATA] },
  { what: "socket pairs", hold: ["unix-pair"] },
  { what: "child processes", hold: ["child"] },
  { what: "sessions", hold: ["session"] },
  { what: "zombies", hold: ["zombie"] },
  { what: "orphans", hold: ["orphan"] },
  { what: "mount namespaces of child processes", hold: ["mount-namespace"], rights: "some" },
  { what: "tmpfs that the container mounted", hold: ["tmpfs"], rights: "all" },
  { what: "bind mounts of the image that the container made", hold: ["bind-mount"], rights: "all" },
  { what: "SysV shared memory, in a pod of one container", hold: ["sysv-memory"] },
  { what: "SysV semaphores, in a pod of one container", hold: ["sysv-semaphore"] },
  { what: "SysV message queues, in a pod of one container", hold: ["sysv-queue"] },
];

const NAMESPACES = "Create no namespaces in the container, as sandboxes and nested containers do.";
const SYSV = "Use /dev/shm and files; SysV objects can be restored in pods with one container.";
const BETWEEN = "Use a FIFO or TCP over loopback between the containers of a pod.";
const BPF = "End the BPF program before the checkpoint.";
const DEVICE = "Close it before the checkpoint, or run the program without the device.";
const ESTABLISHED = "Close it before the checkpoint, or use tcp: close or tcp: loopback.";

/** Objects that are rejected before the freeze: CRIU cannot dump them, or not restore them in a new pod. */
export const REJECTED: readonly Rejected[] = [
  {
    what: "MPTCP sockets: listeners of Go programs since Go 1.24",
    hold: ["mptcp"],
    message: "has an MPTCP socket",
    remedy:
      "Set GODEBUG=multipathtcp=0 in the container: Go programs listen with MPTCP by default. Or set net.mptcp.enabled=0 in the pod.",
  },
  {
    what: "io_uring",
    hold: ["io_uring"],
    message: "has an open io_uring descriptor",
    remedy:
      "Set seccompProfile RuntimeDefault for the pod: containerd 2 then forbids io_uring, and Node.js works without. Or turn io_uring off in the program.",
  },
  {
    what: "inotify on other files of the image",
    hold: ["inotify", "/bin"],
    message: "watches a file of the image by inotify",
    remedy: "Watch files of a volume, or turn the watch off.",
  },
  {
    what: "inotify on /proc or /sys",
    hold: ["inotify", "/proc"],
    message: "watches a file of proc by inotify",
    remedy: "Turn the watch off, or read the file at intervals.",
  },
  {
    what: "fanotify on files of the image",
    hold: ["fanotify", "/bin"],
    rights: "some",
    message: "watches a file of the image by fanotify",
    remedy: "Watch files of a volume, or turn the watch off.",
  },
  {
    what: "unix streams between containers",
    hold: ["unix-dial", `${DATA}/echo.sock`],
    second: ["unix-echo", `${DATA}/echo.sock`],
    message: "has a unix stream connection to container second",
    remedy: BETWEEN,
  },
  {
    what: "connected unix datagrams between containers",
    hold: ["unix-dial-datagram", `${DATA}/echo.sock`],
    second: ["unix-echo-datagram", `${DATA}/echo.sock`],
    message: "has a unix datagram connection to container second",
    remedy: BETWEEN,
  },
  {
    what: "SysV shared memory, in a pod of several containers",
    hold: ["sysv-memory"],
    second: ["nothing"],
    message: "the pod has SysV shared memory and several containers",
    remedy: SYSV,
  },
  {
    what: "SysV semaphores, in a pod of several containers",
    hold: ["sysv-semaphore"],
    second: ["nothing"],
    message: "the pod has SysV semaphores and several containers",
    remedy: SYSV,
  },
  {
    what: "SysV message queues, in a pod of several containers",
    hold: ["sysv-queue"],
    second: ["nothing"],
    message: "the pod has SysV message queues and several containers",
    remedy: SYSV,
  },
  {
    what: "POSIX message queues",
    hold: ["posix-queue"],
    message: "has the POSIX message queue /held open",
    remedy: "Use a FIFO or a unix socket: CRIU does not save the messages.",
  },
  {
    what: "/dev/fuse and other devices",
    hold: ["device-rw", "/dev/fuse"],
    rights: "all",
    message: "has the device /dev/fuse open",
    remedy: DEVICE,
  },
  {
    what: "TUN and TAP devices",
    hold: ["tun"],
    rights: "all",
    message: "has the device /dev/net/tun open",
    remedy: DEVICE,
  },
  {
    what: "block devices",
    hold: ["device", "/dev/loop0"],
    rights: "all",
    message: "has the block device /dev/loop0 open",
    remedy: "Close it before the checkpoint.",
  },
  {
    what: "established TCP connections, with `tcp: refuse`",
    hold: ["tcp-connected"],
    tcp: "refuse",
    message: "has an established TCP connection",
    remedy: ESTABLISHED,
  },
  {
    what: "TCP connections that one side closed, with `tcp: refuse`",
    hold: ["tcp-half-closed"],
    tcp: "refuse",
    message: "has an established TCP connection",
    remedy: ESTABLISHED,
  },
  {
    what: "TCP connections to others, with `tcp: loopback`",
    hold: ["tcp-client", "REGISTRY"],
    tcp: "loopback",
    message: "has a TCP connection from the pod's address ",
    remedy: "Close it before the checkpoint, or use tcp: close: a restored pod has another address.",
  },
  {
    what: "sockets of other families, as vsock",
    hold: ["vsock"],
    message: "has a socket of address family 40",
    remedy: "Close it before the checkpoint: CRIU dumps unix, IP, packet and netlink sockets.",
  },
  {
    what: "a periodic timerfd that expired and was not read",
    hold: ["timerfd-expired"],
    message: "has a periodic timerfd that expired and was not read",
    remedy:
      "Read it before its next period, or set a single expiry each time: CRIU would restore it without its period.",
  },
  {
    what: "userfaultfd",
    hold: ["userfaultfd"],
    message: "has an open userfaultfd descriptor",
    remedy:
      "Use a program that does not handle page faults itself, as some garbage collectors and virtual machines do.",
  },
  {
    what: "perf events",
    hold: ["perf"],
    rights: "some",
    message: "has an open perf_event descriptor",
    remedy: "End the profiler before the checkpoint.",
  },
  {
    what: "BPF maps",
    hold: ["bpf-map"],
    rights: "some",
    message: "has an open bpf-map descriptor",
    remedy: BPF,
  },
  {
    what: "BPF programs",
    hold: ["bpf-program"],
    rights: "some",
    message: "has an open bpf-prog descriptor",
    remedy: BPF,
  },
  {
    what: "open rulesets of Landlock",
    hold: ["landlock"],
    message: "has an open landlock-ruleset descriptor",
    remedy: "Close the ruleset after it is in force.",
  },
  {
    what: "memfd_secret",
    hold: ["memfd-secret"],
    message: "has memory of memfd_secret",
    remedy: "Turn secret memory off in the program: the kernel lets no other program read it.",
  },
  {
    what: "processes that are traced",
    hold: ["traced"],
    message: "is traced by process",
    remedy: "End the debugger or strace before the checkpoint.",
  },
  {
    what: "orphans in a pod with shareProcessNamespace",
    hold: ["orphan"],
    pod: { shareProcessNamespace: true },
    message: "is no descendant of the container's first process",
    remedy: "Let the container's first process wait for it, or turn shareProcessNamespace off.",
  },
  ...(["process", "network", "UTS", "IPC", "cgroup", "time"] as const).map((name) => ({
    what: `${name} namespaces that the container created`,
    hold: [`${name === "process" ? "pid" : name.toLowerCase()}-namespace`],
    rights: "some" as const,
    message: `is in another ${name} namespace than the container`,
    remedy: NAMESPACES,
  })),
  {
    what: "user namespaces that the container created",
    hold: ["user-namespace"],
    message: "is in another user namespace than the container",
    remedy: NAMESPACES,
  },
  {
    what: "cgroups that the container created",
    hold: ["cgroup", "/sys/fs/cgroup/memory/held"],
    rights: "all",
    message: "is in a cgroup that the container created",
    remedy: "Create no cgroups in the container, as systemd and nested containers do.",
  },
  {
    what: "file systems that the container mounted, but tmpfs and those of the kernel",
    hold: ["overlay"],
    rights: "all",
    message: "the container mounted overlay at /held/d",
    remedy: "Unmount it before the checkpoint, or use a volume of the pod.",
  },
  {
    what: "a first process that called chroot",
    hold: ["chroot"],
    message: "the container's first process changed its root directory",
    remedy: "Call chroot in a child process.",
  },
  ...(
    [
      ["hostNetwork", "network"],
      ["hostIPC", "IPC"],
      ["hostPID", "process"],
    ] as const
  ).map(([setting, name]) => ({
    what: `pods with ${setting}`,
    hold: ["nothing"],
    pod: { [setting]: true },
    message: `the container has the node's ${name} namespace`,
    remedy: `Remove ${setting} from the pod.`,
  })),
];

const row = (...cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** Returns the tables of docs/runtime/limits.md. */
export function renderLimits(): { readonly resumes: string; readonly rejected: string } {
  return {
    resumes: RESUMES.map(({ what }) => `- ${what}`).join("\n"),
    rejected: [
      row("found", "message", "remedy"),
      row("---", "---", "---"),
      ...REJECTED.map(({ what, message, remedy }) => row(what, message.trim(), remedy)),
    ].join("\n"),
  };
}
