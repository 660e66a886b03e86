//! Parquet's hybrid of run lengths and packed bits, in which definition levels and indices into a dictionary are written
//! (parquet-format, `Encodings.md`).

/// The first `count` numbers of `width` bits; none where there are fewer.
pub(super) fn decode(mut bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    if width == 0 {
        return Some(vec![0; count]);
    }
    if width > u32::BITS {
        return None;
    }
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let head = varint(&mut bytes)?;
        let left = count - numbers.len();
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(width.div_ceil(8) as usize)?;
            let value = value.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte));
            if length == 0 {
                return None;
            }
            numbers.resize(numbers.len() + length.min(left), value);
            bytes = rest;
        } else {
            // Eights of numbers; the last may be cut off where no number of it counts.
            let size = length.checked_mul(width as usize)?;
            let (packed, rest) = bytes.split_at(size.min(bytes.len()));
            let held = packed.len() * 8 / width as usize;
            if held == 0 {
                return None;
            }
            let wanted = left.min(length.checked_mul(8)?).min(held);
            numbers.extend((0..wanted).map(|i| bits(packed, i * width as usize, width)));
            bytes = rest;
        }
    }
    Some(numbers)
}

/// `width` bits from a position, the lowest first.
fn bits(packed: &[u8], at: usize, width: u32) -> u32 {
    let bit = |i: usize| u32::from((packed[(at + i) / 8] >> ((at + i) % 8)) & 1) << i;
    (0..width as usize).map(bit).sum()
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_bits_are_read() {
        // The example of Encodings.md: 0 to 7 in three bits each.
        let packed = [0x03, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(decode(&packed, 3, 8), Some((0..8).collect()));
        assert_eq!(decode(&packed, 3, 5), Some((0..5).collect()));
        // Five times 1, then eight bits.
        assert_eq!(decode(&[10, 1, 3, 0b0000_0101], 1, 9), Some(vec![1, 1, 1, 1, 1, 1, 0, 1, 0]));
        // A number of twelve bits takes two bytes.
        assert_eq!(decode(&[4, 0x34, 0x02], 12, 2), Some(vec![0x234, 0x234]));
        assert_eq!(decode(&[], 0, 3), Some(vec![0, 0, 0]));
        assert_eq!(decode(&[2, 1, 2, 3, 4], 32, 1), Some(vec![0x0403_0201]));
    }

    #[test]
    fn fewer_numbers_than_are_asked_for_are_none() {
        assert_eq!(decode(&[10, 1], 1, 6), None);
        assert_eq!(decode(&[3], 1, 1), None);
        assert_eq!(decode(&[0, 1], 1, 1), None);
        assert_eq!(decode(&[10], 1, 1), None);
        assert_eq!(decode(&[0xFF; 12], 1, 1), None);
        assert_eq!(decode(&[2, 1], 33, 1), None);
        // A run that claims to be endless is no longer than asked for.
        assert_eq!(decode(&[0xFE, 0xFF, 0xFF, 0xFF, 0x7F, 1], 1, 2), Some(vec![1, 1]));
    }
}
