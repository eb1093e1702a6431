package execution

const arenaChunk = 256 // entries

// accountArena hands out accounts from chunks, which it keeps from block to block.
type accountArena struct {
	chunks [][]account
	used   int
}

func (x *accountArena) take() *account {
	a := next(&x.chunks, &x.used)
	slots, seen := a.slots, a.slotsSeen[:0]
	*a = account{slotsSeen: seen}
	for i := range slots {
		a.slots[i] = slots[i][:0]
	}
	return a
}

func (x *accountArena) reset(keep int) { release(&x.chunks, &x.used, keep) }

// slotArena does the same for slots.
type slotArena struct {
	chunks [][]slot
	used   int
}

func (x *slotArena) take() *slot {
	sl := next(&x.chunks, &x.used)
	*sl = slot{}
	return sl
}

func (x *slotArena) reset(keep int) { release(&x.chunks, &x.used, keep) }

func next[T any](chunks *[][]T, used *int) *T {
	at := *used / arenaChunk
	if at == len(*chunks) {
		*chunks = append(*chunks, make([]T, arenaChunk))
	}
	v := &(*chunks)[at][*used%arenaChunk]
	*used++
	return v
}

func release[T any](chunks *[][]T, used *int, keep int) {
	*used = 0
	if most := keep / arenaChunk; len(*chunks) > most {
		clear((*chunks)[most:])
		*chunks = (*chunks)[:most]
	}
}
