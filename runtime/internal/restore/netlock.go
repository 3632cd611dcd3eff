package restore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// lockTable is the name of the nftables table in a pod's network namespace while its containers are restored.
const lockTable = "cedana_restore"

// lockLimit is after how long the lock has no effect any more, whatever happened to the wrapper: 64 containers are not
// restored in less, but a pod whose last container never comes must get its loopback back.
const lockLimit = 2 * time.Minute

// lockLoopback drops TCP packets over loopback in a network namespace. The first container of a pod is restored before
// the second one has its sockets: without the lock, the kernel would reset connections between them.
func lockLoopback(path string, now time.Time) error {
	return namespace.Network.Enter(path, func() error {
		batch := &batch{}
		// A table that an interrupted restore left has an old time.
		batch.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, text(unix.NFTA_TABLE_NAME, lockTable))
		batch.add(unix.NFT_MSG_DELTABLE, 0, text(unix.NFTA_TABLE_NAME, lockTable))
		batch.add(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, text(unix.NFTA_TABLE_NAME, lockTable))
		batch.add(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE,
			text(unix.NFTA_CHAIN_TABLE, lockTable), text(unix.NFTA_CHAIN_NAME, "input"), text(unix.NFTA_CHAIN_TYPE, "filter"),
			nested(unix.NFTA_CHAIN_HOOK, number(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_LOCAL_IN), number(unix.NFTA_HOOK_PRIORITY, 0)))
		batch.add(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND,
			text(unix.NFTA_RULE_TABLE, lockTable), text(unix.NFTA_RULE_CHAIN, "input"),
			nested(unix.NFTA_RULE_EXPRESSIONS, dropLoopbackUntil(now.Add(lockLimit))...))
		return batch.send()
	})
}

// unlockLoopback removes the lock. A namespace without one is no error.
func unlockLoopback(path string) error {
	return namespace.Network.Enter(path, func() error {
		batch := &batch{}
		batch.add(unix.NFT_MSG_DELTABLE, 0, text(unix.NFTA_TABLE_NAME, lockTable))
		if err := batch.send(); !errors.Is(err, unix.ENOENT) {
			return err
		}
		return nil
	})
}

// dropLoopbackUntil returns the expressions of the rule `meta time < UNTIL iifname lo meta l4proto tcp drop`. The time is
// that of the wall clock, in nanoseconds since 1970 (nft(8), META EXPRESSIONS).
func dropLoopbackUntil(until time.Time) [][]byte {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, "lo")
	return [][]byte{
		expression("meta", number(unix.NFTA_META_DREG, unix.NFT_REG_1), number(unix.NFTA_META_KEY, metaTime)),
		// The comparison is of bytes, and the time is in the order of this machine.
		expression("byteorder", number(unix.NFTA_BYTEORDER_SREG, unix.NFT_REG_1), number(unix.NFTA_BYTEORDER_DREG, unix.NFT_REG_1),
			number(unix.NFTA_BYTEORDER_OP, unix.NFT_BYTEORDER_HTON), number(unix.NFTA_BYTEORDER_LEN, 8), number(unix.NFTA_BYTEORDER_SIZE, 8)),
		compare(unix.NFT_CMP_LT, binary.BigEndian.AppendUint64(nil, uint64(until.UnixNano()))),
		expression("meta", number(unix.NFTA_META_DREG, unix.NFT_REG_1), number(unix.NFTA_META_KEY, unix.NFT_META_IIFNAME)),
		compare(unix.NFT_CMP_EQ, name),
		expression("meta", number(unix.NFTA_META_DREG, unix.NFT_REG_1), number(unix.NFTA_META_KEY, unix.NFT_META_L4PROTO)),
		compare(unix.NFT_CMP_EQ, []byte{unix.IPPROTO_TCP}),
		expression("immediate", number(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT),
			nested(unix.NFTA_IMMEDIATE_DATA, nested(unix.NFTA_DATA_VERDICT, number(unix.NFTA_VERDICT_CODE, verdictDrop)))),
	}
}

const (
	// metaTime is NFT_META_TIME_NS, and verdictDrop NF_DROP (linux/netfilter/nf_tables.h, linux/netfilter.h).
	metaTime    = 30
	verdictDrop = 0
)

func expression(name string, data ...[]byte) []byte {
	return nested(unix.NFTA_LIST_ELEM, text(unix.NFTA_EXPR_NAME, name), nested(unix.NFTA_EXPR_DATA, data...))
}

func compare(operation uint32, value []byte) []byte {
	return expression("cmp", number(unix.NFTA_CMP_SREG, unix.NFT_REG_1), number(unix.NFTA_CMP_OP, operation),
		nested(unix.NFTA_CMP_DATA, attribute(unix.NFTA_DATA_VALUE, value)))
}

// attribute returns a netlink attribute, padded to 4 bytes (netlink(7)).
func attribute(kind uint16, value []byte) []byte {
	data := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(value)))
	data = append(binary.NativeEndian.AppendUint16(data, kind), value...)
	return append(data, make([]byte, -len(data)&3)...)
}

func text(kind uint16, value string) []byte { return attribute(kind, append([]byte(value), 0)) }

func number(kind uint16, value uint32) []byte {
	return attribute(kind, binary.BigEndian.AppendUint32(nil, value))
}

func nested(kind uint16, parts ...[]byte) []byte {
	value := []byte{}
	for _, each := range parts {
		value = append(value, each...)
	}
	return attribute(kind|unix.NLA_F_NESTED, value)
}

// batch is a transaction of nftables: the kernel applies all of its messages or none.
type batch struct {
	data []byte
	// sequence is the number of the last message.
	sequence uint32
}

func (b *batch) add(message, flags uint16, attributes ...[]byte) {
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|message, flags|unix.NLM_F_ACK, unix.NFPROTO_INET, 0, attributes...)
}

func (b *batch) message(kind, flags uint16, family byte, resource uint16, attributes ...[]byte) {
	body := []byte{family, unix.NFNETLINK_V0}
	body = binary.BigEndian.AppendUint16(body, resource)
	for _, each := range attributes {
		body = append(body, each...)
	}
	b.sequence++
	b.data = binary.NativeEndian.AppendUint32(b.data, uint32(unix.SizeofNlMsghdr+len(body)))
	b.data = binary.NativeEndian.AppendUint16(b.data, kind)
	b.data = binary.NativeEndian.AppendUint16(b.data, flags|unix.NLM_F_REQUEST)
	b.data = binary.NativeEndian.AppendUint32(b.data, b.sequence)
	b.data = append(binary.NativeEndian.AppendUint32(b.data, 0), body...)
}

// send sends the batch in the network namespace of this thread and waits for the kernel's result.
func (b *batch) send() error {
	whole := &batch{}
	whole.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	whole.data = append(whole.data, b.data...)
	whole.sequence = b.sequence
	whole.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	if err := unix.Sendto(fd, whole.data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for acknowledged := uint32(0); acknowledged < b.sequence; {
		length, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return err
		}
		for data := buffer[:length]; len(data) >= unix.SizeofNlMsghdr+4; {
			size := int(binary.NativeEndian.Uint32(data))
			if kind := binary.NativeEndian.Uint16(data[4:]); kind == unix.NLMSG_ERROR {
				if number := int32(binary.NativeEndian.Uint32(data[unix.SizeofNlMsghdr:])); number != 0 {
					return fmt.Errorf("nftables: %w", unix.Errno(-number))
				}
				acknowledged++
			}
			if size = (size + 3) &^ 3; size < unix.SizeofNlMsghdr || size > len(data) {
				break
			}
			data = data[size:]
		}
	}
	return nil
}
