//! Outputs that are not cleared before they are written, and scratch space that each thread keeps.
//!
//! Fresh pages cost as much as the arithmetic on them: what a kernel needs for itself stays with its thread from one
//! call to the next, and an output is touched only once.
#![allow(unsafe_code)]

use std::{cell::RefCell, mem::MaybeUninit};

/// A vector whose numbers `fill` writes, every one of them, through the pointer that it is given.
///
/// # Safety
/// `fill` writes all `len` numbers before it returns.
pub(super) unsafe fn filled(len: usize, fill: impl FnOnce(Shared)) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    fill(Shared(values.as_mut_ptr()));
    // SAFETY: the capacity is `len`, and the caller's `fill` has written all of it.
    unsafe { values.set_len(len) };
    values
}

/// A pointer that several threads write through, each to places of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

// SAFETY: who dereferences it sees to it that no two threads touch one place.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// For a slice that several threads will write to.
    pub(super) fn of(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The place `offset` numbers on.
    pub(super) fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }

    /// `len` numbers from `offset` on, to be written.
    ///
    /// # Safety
    /// They belong to one allocation, and nobody else touches them for as long as the slice lives.
    pub(super) unsafe fn slice<'a>(self, offset: usize, len: usize) -> &'a mut [MaybeUninit<f32>] {
        // SAFETY: by the caller; `MaybeUninit` may be anything.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset).cast(), len) }
    }
}

thread_local! {
    /// Of the jobs of this thread.
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    /// Of the operation that this thread has called, whose jobs may run on it as well.
    static SHARED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// A cache line, by which scratch space is aligned.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "read through pointers")] [f32; LINE]);

const LINE: usize = 16;

/// Calls `body` with `lens.len()` arrays of scratch space for a job, each aligned to a cache line. Their numbers are
/// arbitrary. `body` must not ask for a job's scratch space itself.
pub(super) fn with_scratch<const N: usize, R>(
    lens: [usize; N],
    body: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    SCRATCH.with_borrow_mut(|lines| arrays(lines, lens, body))
}

/// [`with_scratch`] for what the jobs of an operation share. `body` must not call another operation.
pub(super) fn with_shared_scratch<const N: usize, R>(
    lens: [usize; N],
    body: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    // While the caller waits for its jobs, it may be given a job of somebody else's operation.
    let mut lines = SHARED.take();
    let result = arrays(&mut lines, lens, body);
    SHARED.set(lines);
    result
}

fn arrays<const N: usize, R>(
    lines: &mut Vec<Line>,
    lens: [usize; N],
    body: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    let total: usize = lens.iter().map(|len| len.div_ceil(LINE)).sum();
    if lines.len() < total {
        // The old numbers need not be moved.
        *lines = Vec::new();
        lines.resize(total, Line([0.0; LINE]));
    }
    let mut rest = lines.as_mut_ptr().cast::<f32>();
    body(lens.map(|len| {
        // SAFETY: `total` lines are enough for all arrays, which follow one another without overlap.
        let array = unsafe { std::slice::from_raw_parts_mut(rest, len) };
        // SAFETY: at most one past the end of the lines.
        rest = unsafe { rest.add(len.next_multiple_of(LINE)) };
        array
    }))
}

/// The least number of numbers, at least `len`, that is an odd number of cache lines: places so far apart lie in different
/// sets of a cache, so that one does not evict another.
pub(super) fn apart(len: usize) -> usize {
    (len.div_ceil(LINE) | 1) * LINE
}
