package lazy

import (
	"slices"

	"cedana.ai/cdk/runtime/internal/images"
)

// pending is the memory of a process that was not loaded yet: ranges sorted by their start, which do not overlap.
type pending []images.Range

// at returns the index of the first range that ends after an address.
func (p pending) at(address uint64) int {
	index, _ := slices.BinarySearchFunc(p, address, func(each images.Range, address uint64) int {
		if each.End <= address {
			return -1
		}
		return 1
	})
	return index
}

// find returns the part of a range that begins at an address.
func (p pending) find(address uint64) (images.Range, bool) {
	index := p.at(address)
	if index == len(p) || p[index].Start > address {
		return images.Range{}, false
	}
	return p[index].From(address), true
}

// drop removes an area and returns what of it was pending.
func (p *pending) drop(start, end uint64) []images.Range {
	if start >= end {
		return nil
	}
	first := p.at(start)
	last, dropped, left := first, []images.Range{}, []images.Range{}
	for ; last < len(*p) && (*p)[last].Start < end; last++ {
		each := (*p)[last]
		if each.Start < start {
			before := each
			before.End = start
			left = append(left, before)
			each = each.From(start)
		}
		if each.End > end {
			left = append(left, each.From(end))
			each.End = end
		}
		dropped = append(dropped, each)
	}
	if first == last {
		return nil
	}
	*p = slices.Replace(*p, first, last, left...)
	return dropped
}

// move changes the addresses of an area, which replaces what was pending at its new place.
func (p *pending) move(start, to, length uint64) {
	moved := p.drop(start, start+length)
	p.drop(to, to+length)
	for _, each := range moved {
		each.Start += to - start
		each.End += to - start
		index := p.at(each.Start)
		*p = slices.Insert(*p, index, each)
	}
}

// inherited returns what of it is missing in a child that is forked now: the kernel gives it empty mappings where the advice
// MADV_WIPEONFORK is set.
func (p pending) inherited() pending {
	return slices.DeleteFunc(slices.Clone(p), func(each images.Range) bool { return each.Wiped })
}

// bytes returns the size of all ranges.
func (p pending) bytes() int64 {
	sum := int64(0)
	for _, each := range p {
		sum += int64(each.End - each.Start)
	}
	return sum
}
