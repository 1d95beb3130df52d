//! An allocator for instances that live for one call. Memory is handed out in order and comes back with the instance;
//! only what was handed out last can grow in place or be taken back. It starts with a region that is part of the module's
//! initial memory, so that a typical call never asks the host for more, which would cost more than the call itself.
//!
//! It does not know WebAssembly: where more memory comes from is a `Source`.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    ptr,
};

/// Where an arena gets its memory.
pub trait Source {
    /// At least `size` bytes that nothing else uses, for ever.
    fn region(&self, size: usize) -> Option<Region>;
}

pub struct Region {
    pub start: *mut u8,
    pub size: usize,
}

pub struct Arena<S> {
    source: S,
    /// Up to here memory is handed out, from here to `end` it is free.
    next: Cell<*mut u8>,
    end: Cell<*mut u8>,
}

impl<S: Source> Arena<S> {
    pub const fn new(source: S) -> Self {
        Self { source, next: Cell::new(ptr::null_mut()), end: Cell::new(ptr::null_mut()) }
    }

    fn free(&self) -> usize {
        self.end.get().addr() - self.next.get().addr()
    }

    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.next.get();
        let padding = start.addr().wrapping_neg() & (layout.align() - 1);
        let size = padding.checked_add(layout.size())?;
        if size > self.free() {
            return None;
        }
        self.next.set(start.wrapping_add(size));
        Some(start.wrapping_add(padding))
    }

    /// A region that follows on from what there is extends it; else the rest of the old one is given up.
    fn extend(&self, size: usize) -> Option<()> {
        let region = self.source.region(size)?;
        if region.start != self.end.get() {
            self.next.set(region.start);
        }
        self.end.set(region.start.wrapping_add(region.size));
        Some(())
    }

    /// Whether the block was handed out last and is now `size` long, in its place.
    fn resize_last(&self, block: *mut u8, layout: Layout, size: usize) -> bool {
        let is_last = || block.wrapping_add(layout.size()) == self.next.get();
        if !is_last() {
            return false;
        }
        let more = size.saturating_sub(layout.size());
        if more > self.free() && (self.extend(more).is_none() || !is_last()) {
            return false;
        }
        self.next.set(block.wrapping_add(size));
        true
    }
}

// SAFETY: a block lies between what `next` was and what it becomes, inside of a region that is the arena's own, and
// `next` only moves back to the start of a block that its owner gives up. A null pointer says that there is no memory.
unsafe impl<S: Source> GlobalAlloc for Arena<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout)
            .or_else(|| {
                self.extend(layout.size().checked_add(layout.align())?)?;
                self.take(layout)
            })
            .unwrap_or(ptr::null_mut())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.resize_last(block, layout, 0);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.resize_last(block, layout, size) || size <= layout.size() {
            return block;
        }
        // SAFETY: `GlobalAlloc::realloc` is called with a size that fits the alignment.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: the old block is `layout.size()` long, the new one longer, and they do not overlap.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}

#[cfg(all(target_arch = "wasm32", feature = "arena"))]
mod guest {
    use std::{arch::wasm32, cell::Cell, cell::UnsafeCell};

    use super::{Arena, Region, Source};

    /// Part of the initial memory: a decision over 2,000 candidates or a batch of 1,000 events. Untouched pages cost
    /// nothing.
    const INITIAL_BYTES: usize = 2 << 20;
    /// What is asked for at least when that was not enough, as asking is slow.
    const STEP_BYTES: usize = 1 << 20;
    const PAGE_BYTES: usize = 64 << 10;

    #[global_allocator]
    static ALLOCATOR: Arena<Memory> =
        Arena::new(Memory { initial: UnsafeCell::new([0; INITIAL_BYTES]), taken: Cell::new(false) });

    struct Memory {
        initial: UnsafeCell<[u8; INITIAL_BYTES]>,
        taken: Cell<bool>,
    }

    // SAFETY: a plugin has one thread: the host offers none.
    unsafe impl Sync for Arena<Memory> {}

    impl Source for Memory {
        fn region(&self, size: usize) -> Option<Region> {
            if size <= INITIAL_BYTES && !self.taken.replace(true) {
                return Some(Region { start: self.initial.get().cast(), size: INITIAL_BYTES });
            }
            let pages = size.max(STEP_BYTES).div_ceil(PAGE_BYTES);
            let before = wasm32::memory_grow::<0>(pages);
            (before != usize::MAX).then(|| Region { start: (before * PAGE_BYTES) as *mut u8, size: pages * PAGE_BYTES })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one buffer in the regions given.
    struct Buffer {
        buffer: *mut u8,
        used: Cell<usize>,
        asked: Cell<usize>,
        /// Bytes skipped before it, and its size.
        regions: Vec<(usize, usize)>,
    }

    const BUFFER_BYTES: usize = 4096;
    const BUFFER: Layout = match Layout::from_size_align(BUFFER_BYTES, 64) {
        Ok(layout) => layout,
        Err(_) => panic!("the alignment is a power of two"),
    };

    impl Drop for Buffer {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout by `arena`.
            unsafe { std::alloc::dealloc(self.buffer, BUFFER) };
        }
    }

    impl Source for Buffer {
        fn region(&self, size: usize) -> Option<Region> {
            let (gap, length) = *self.regions.get(self.asked.get())?;
            self.asked.set(self.asked.get() + 1);
            let start = self.buffer.wrapping_add(self.used.get() + gap);
            self.used.set(self.used.get() + gap + length);
            assert!(self.used.get() <= BUFFER_BYTES);
            (size <= length).then_some(Region { start, size: length })
        }
    }

    /// An arena over the regions: bytes skipped before it, and its size.
    fn arena(regions: &[(usize, usize)]) -> Arena<Buffer> {
        // SAFETY: the layout is not empty.
        let buffer = unsafe { std::alloc::alloc_zeroed(BUFFER) };
        Arena::new(Buffer { buffer, used: Cell::new(0), asked: Cell::new(0), regions: regions.to_vec() })
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// Where the block lies in the buffer; `None` if there was no memory.
    fn alloc(arena: &Arena<Buffer>, layout: Layout) -> Option<usize> {
        // SAFETY: no layout of these tests is empty.
        let block = unsafe { arena.alloc(layout) };
        (!block.is_null()).then(|| block.addr() - arena.source.buffer.addr())
    }

    fn block(arena: &Arena<Buffer>, place: usize) -> *mut u8 {
        arena.source.buffer.wrapping_add(place)
    }

    fn realloc(arena: &Arena<Buffer>, place: usize, layout: Layout, size: usize) -> Option<usize> {
        // SAFETY: the tests name blocks that they were given.
        let moved = unsafe { arena.realloc(block(arena, place), layout, size) };
        (!moved.is_null()).then(|| moved.addr() - arena.source.buffer.addr())
    }

    fn dealloc(arena: &Arena<Buffer>, place: usize, layout: Layout) {
        // SAFETY: the tests name blocks that they were given.
        unsafe { arena.dealloc(block(arena, place), layout) };
    }

    #[test]
    fn blocks_follow_one_another_aligned() {
        let arena = arena(&[(0, 256)]);
        assert_eq!(alloc(&arena, layout(3, 1)), Some(0));
        assert_eq!(alloc(&arena, layout(8, 8)), Some(8));
        assert_eq!(alloc(&arena, layout(1, 1)), Some(16));
        assert_eq!(alloc(&arena, layout(4, 64)), Some(64));
    }

    #[test]
    fn only_the_last_block_is_taken_back() {
        let arena = arena(&[(0, 256)]);
        let eight = layout(8, 8);
        let (first, last) = (alloc(&arena, eight).unwrap(), alloc(&arena, eight).unwrap());
        dealloc(&arena, first, eight);
        assert_eq!(alloc(&arena, eight), Some(16));
        dealloc(&arena, 16, eight);
        dealloc(&arena, last, eight);
        assert_eq!(alloc(&arena, eight), Some(last));
    }

    #[test]
    fn the_last_block_grows_and_shrinks_in_place() {
        let arena = arena(&[(0, 256)]);
        let place = alloc(&arena, layout(8, 8)).unwrap();
        assert_eq!(realloc(&arena, place, layout(8, 8), 100), Some(place));
        assert_eq!(realloc(&arena, place, layout(100, 8), 16), Some(place));
        assert_eq!(alloc(&arena, layout(8, 8)), Some(16));
    }

    #[test]
    fn another_block_moves_to_grow_and_stays_to_shrink() {
        let arena = arena(&[(0, 256)]);
        let place = alloc(&arena, layout(4, 4)).unwrap();
        // SAFETY: the block is four bytes long.
        unsafe { block(&arena, place).cast::<[u8; 4]>().write(*b"abcd") };
        assert_eq!(alloc(&arena, layout(4, 4)), Some(4));
        assert_eq!(realloc(&arena, place, layout(4, 4), 2), Some(place));
        assert_eq!(realloc(&arena, place, layout(4, 4), 8), Some(8));
        // SAFETY: the block is eight bytes long now.
        assert_eq!(unsafe { block(&arena, 8).cast::<[u8; 4]>().read() }, *b"abcd");
    }

    #[test]
    fn a_region_that_follows_on_extends_the_last_block() {
        let arena = arena(&[(0, 64), (0, 64)]);
        let place = alloc(&arena, layout(48, 8)).unwrap();
        assert_eq!(realloc(&arena, place, layout(48, 8), 96), Some(place));
        assert_eq!(alloc(&arena, layout(32, 8)), Some(96));
        assert_eq!(alloc(&arena, layout(1, 1)), None);
    }

    #[test]
    fn a_region_elsewhere_takes_what_comes_next() {
        let arena = arena(&[(0, 64), (64, 128)]);
        let place = alloc(&arena, layout(48, 8)).unwrap();
        assert_eq!(realloc(&arena, place, layout(48, 8), 96), Some(128));
        assert_eq!(alloc(&arena, layout(8, 8)), Some(224));
        // The first block ends where no free memory begins.
        assert_eq!(realloc(&arena, place, layout(48, 8), 56), None);
        assert_eq!(realloc(&arena, place, layout(48, 8), 16), Some(place));
    }

    #[test]
    fn without_memory_there_is_no_block() {
        let arena = arena(&[(0, 64), (0, 64)]);
        assert_eq!(alloc(&arena, layout(8, 8)), Some(0));
        assert_eq!(alloc(&arena, layout(isize::MAX as usize - 64, 8)), None);
        assert_eq!(alloc(&arena, layout(56, 8)), Some(8));
        assert_eq!(realloc(&arena, 8, layout(56, 8), 64), None);
    }
}
