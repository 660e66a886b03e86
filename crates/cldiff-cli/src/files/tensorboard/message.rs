//! Events as protocol buffers: those fields of TensorFlow's `event.proto` and `summary.proto` that TensorBoard needs here.
//!
//! | message | fields, by number |
//! | --- | --- |
//! | `Event` | `wall_time` 1 (double), `step` 2 (int64), `file_version` 3, `summary` 5, `session_log` 7 |
//! | `Summary` | `value` 1, repeated |
//! | `Summary.Value` | `tag` 1, `simple_value` 2 (float), `image` 4 |
//! | `Summary.Image` | `height` 1, `width` 2, `colorspace` 3, `encoded_image_string` 4 |
//! | `SessionLog` | `status` 1 (`START` is 1) |
//!
//! Fields are written in the order of their numbers, and a number that is 0 is left out unless it is one of several
//! alternatives: the bytes are those of Google's own library.

/// The content of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content<'a> {
    /// The first event of a file: the version of the format.
    Version,
    /// A session begins: what earlier sessions wrote at this step or later is void.
    Start,
    /// Numbers by their tags.
    Scalars(&'a [(String, f64)]),
    /// A picture with its tag.
    Picture(&'a str, &'a Picture),
}

/// A picture that is encoded already.
#[derive(Debug)]
pub(super) struct Picture {
    /// In pixels.
    pub height: u32,
    /// In pixels.
    pub width: u32,
    /// A PNG of red, green, blue and alpha.
    pub png: Vec<u8>,
}

/// `Summary.Image.colorspace` of red, green, blue and alpha.
const RGBA: u64 = 4;
/// `SessionLog.START`.
const START: u64 = 1;

/// An event as bytes; `wall_time` in seconds since 1970.
pub(super) fn event(wall_time: f64, step: usize, content: Content) -> Vec<u8> {
    let mut event = Message::default();
    event.fixed_64(1, wall_time.to_bits());
    if step > 0 {
        event.number(2, step as u64);
    }
    match content {
        Content::Version => event.bytes(3, b"brain.Event:2"),
        Content::Start => {
            let mut log = Message::default();
            log.number(1, START);
            event.bytes(7, &log.0);
        }
        Content::Scalars(values) => {
            let mut summary = Message::default();
            for (tag, value) in values {
                let mut entry = Message::default();
                entry.bytes(1, tag.as_bytes());
                entry.fixed_32(2, (*value as f32).to_bits());
                summary.bytes(1, &entry.0);
            }
            event.bytes(5, &summary.0);
        }
        Content::Picture(tag, picture) => {
            let (mut image, mut entry, mut summary) =
                (Message::default(), Message::default(), Message::default());
            image.number(1, picture.height.into());
            image.number(2, picture.width.into());
            image.number(3, RGBA);
            image.bytes(4, &picture.png);
            entry.bytes(1, tag.as_bytes());
            entry.bytes(4, &image.0);
            summary.bytes(1, &entry.0);
            event.bytes(5, &summary.0);
        }
    }
    event.0
}

/// The wire format of protocol buffers, as far as events need it.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// Seven bits a byte, the lowest first.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire_type: u64) {
        self.varint((field << 3) | wire_type);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn fixed_64(&mut self, field: u64, bits: u64) {
        self.key(field, 1);
        self.0.extend(bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn fixed_32(&mut self, field: u64, bits: u32) {
        self.key(field, 5);
        self.0.extend(bits.to_le_bytes());
    }
}
