//! Records of a TFRecord file, the frame around each event of an event file.
//!
//! A record is the length of its data (u64), the masked CRC-32C of these eight bytes, the data, and their masked CRC-32C,
//! all little-endian (TensorFlow, `core/lib/io/record_writer.h`). The mask keeps a checksum of data that hold checksums
//! apart from these (`core/lib/hash/crc32c.h`).

/// The polynomial of CRC-32C (Castagnoli), its bits in reverse.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// The remainder of each byte.
const REMAINDERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut remainder, mut bit) = (byte as u32, 0);
        while bit < 8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL * (remainder & 1));
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

/// Data as a record.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// The CRC-32C of RFC 3720, section 12.1.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| REMAINDERS[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(u32::MAX, step)
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, section B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46DD_794E);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn a_record_has_its_length_and_two_checksums() {
        let record = framed(b"abc");
        assert_eq!(record.len(), 8 + 4 + 3 + 4);
        assert_eq!((&record[..8], &record[12..15]), (&[3, 0, 0, 0, 0, 0, 0, 0][..], &b"abc"[..]));
    }
}
