//! Whether the scans of a sequential JPEG hold all of their blocks (ITU-T T.81, annexes A.2, C and F.2).
//!
//! A decoder takes bits that are missing before a marker for zeros, so that a file whose scan was cut short and then closed
//! is a picture to it. Here the codes are walked over and counted, and none is decoded. Progressive and arithmetic files,
//! and whatever else is not understood, are left to the decoder.

/// Where a walk ends before its time.
enum End {
    /// A marker stands where there should be bits.
    Cut,
    /// A part of the file that is not understood.
    Unknown,
}

/// A component of the frame: its name, and its blocks in a row and column of a unit.
struct Component {
    name: u8,
    across: usize,
    down: usize,
}

/// The content of the segments before a scan.
#[derive(Default)]
struct Header {
    height: usize,
    width: usize,
    components: Vec<Component>,
    /// By class (0 for the first number of a block, 1 for the others) and place.
    tables: [[Option<Table>; 4]; 2],
    /// Units from one restart to the next; 0 for none.
    restart: usize,
}

/// Checks that every scan of a file has all its units. The last byte may be missing: some encoders do not write one that
/// is not full.
///
/// # Errors
/// In words: how many there are.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut header, mut at) = (Header::default(), 2);
    while let Some((marker, body)) = segment(bytes, at) {
        at += 4 + body.len();
        let is_understood = match marker {
            0xc0 | 0xc1 if header.components.is_empty() => header.frame(body).is_some(),
            0xc4 => header.tables(body).is_some(),
            0xdd => {
                header.restart = body.first_chunk().map_or(0, |n| u16::from_be_bytes(*n).into());
                true
            }
            0xda => {
                let mut bits = Bits { bytes, at, held: 0, count: 0, spare: true };
                let (done, units, end) = header.scan(body, &mut bits);
                at = bits.next_marker();
                if let Err(End::Cut) = end {
                    return Err(format!(
                        "truncated and closed again: its data end after {done} of {units} blocks"
                    ));
                }
                end.is_ok()
            }
            // Other kinds of files, and the end.
            0xc2..=0xcf | 0xd9 => false,
            _ => true,
        };
        if !is_understood {
            break;
        }
    }
    Ok(())
}

/// The marker at a place and what its segment holds.
fn segment(bytes: &[u8], at: usize) -> Option<(u8, &[u8])> {
    match bytes.get(at..)? {
        [0xff, marker, high, low, rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
            Some((*marker, rest.get(..length)?))
        }
        _ => None,
    }
}

impl Header {
    /// Reads the frame; none if it is not of 8 bits or not of a known height.
    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let [8, y0, y1, x0, x1, n, components @ ..] = body else { return None };
        self.height = u16::from_be_bytes([*y0, *y1]).into();
        self.width = u16::from_be_bytes([*x0, *x1]).into();
        let component = |part: &[u8]| {
            let (across, down) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            ((1..=4).contains(&across) && (1..=4).contains(&down)).then_some(Component {
                name: part[0],
                across,
                down,
            })
        };
        self.components = components.chunks_exact(3).map(component).collect::<Option<_>>()?;
        let is_whole = self.components.len() == usize::from(*n) && !self.components.is_empty();
        (is_whole && self.height > 0 && self.width > 0).then_some(())
    }

    fn tables(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&place, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let table = self.tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))?;
            *table = Some(Table::new(counts, symbols)?);
            body = rest;
        }
        Some(())
    }

    /// Walks over a scan: how many of its units there are, how many there should be, and how it ended.
    fn scan(&self, body: &[u8], bits: &mut Bits<'_>) -> (usize, usize, Result<(), End>) {
        let Some((blocks, units)) = self.units(body) else { return (0, 0, Err(End::Unknown)) };
        for done in 0..units {
            if self.restart > 0 && done > 0 && done % self.restart == 0 && !bits.restart() {
                return (done, units, Err(End::Cut));
            }
            for (repeats, [first, others]) in &blocks {
                for _ in 0..*repeats {
                    if let Err(end) = bits.block(first, others) {
                        return (done, units, Err(end));
                    }
                }
            }
        }
        (units, units, Ok(()))
    }

    /// The blocks of a unit of a scan, each component's with its tables, and the number of units. A scan of one component has
    /// a block a unit, as many as cover the component; one of several has units of all their blocks.
    fn units(&self, body: &[u8]) -> Option<(Vec<(usize, [&Table; 2])>, usize)> {
        let (&n, rest) = body.split_first()?;
        let chosen: Vec<&[u8]> = rest.chunks_exact(2).take(n.into()).collect();
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max();
        let (across, down) = (most(|c| c.across)?, most(|c| c.down)?);
        let mut blocks = Vec::new();
        let mut alone = None;
        for part in &chosen {
            let component = self.components.iter().find(|component| component.name == part[0])?;
            let table = |class: usize, place: u8| self.tables[class].get(usize::from(place))?.as_ref();
            let tables = [table(0, part[1] >> 4)?, table(1, part[1] & 15)?];
            blocks.push((component.across * component.down, tables));
            alone = Some(component);
        }
        if let (Some(component), [(repeats, _)]) = (alone, &mut blocks[..]) {
            *repeats = 1;
            let columns = (self.width * component.across).div_ceil(across).div_ceil(8);
            let rows = (self.height * component.down).div_ceil(down).div_ceil(8);
            return Some((blocks, columns * rows));
        }
        let units = self.width.div_ceil(8 * across) * self.height.div_ceil(8 * down);
        (blocks.len() == usize::from(n) && !blocks.is_empty()).then_some((blocks, units))
    }
}

/// A code of Huffman's.
struct Table {
    /// Length and symbol by the first eight bits, for codes of at most as many; a length of 0 for longer ones.
    short: [(u8, u8); 256],
    /// For each length the first sixteen bits that no code up to it begins with.
    limits: [u32; 17],
    /// For each length the place of a code's symbol, less the code.
    places: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table =
            Self { short: [(0, 0); 256], limits: [0; 17], places: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0_u32, 0);
        for (length, &count) in (1..=16).zip(counts) {
            table.places[length] = place as i32 - code as i32;
            for &symbol in &symbols[place..place + usize::from(count)] {
                if length <= 8 && code < 1 << length {
                    let from = (code as usize) << (8 - length);
                    table.short[from..from + (1 << (8 - length))].fill((length as u8, symbol));
                }
                code += 1;
            }
            place += usize::from(count);
            // More codes than bits can tell apart.
            if code > 1 << length {
                return None;
            }
            table.limits[length] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of a scan, up to a marker.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest; zeros follow.
    held: u64,
    count: u32,
    /// Whether a last byte may be missing.
    spare: bool,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let (byte, length) = match self.bytes.get(self.at..) {
                Some([0xff, 0x00, ..]) => (0xff, 2),
                Some([byte, ..]) if *byte != 0xff => (*byte, 1),
                // Of zeros, which are there already.
                _ if self.spare => {
                    self.spare = false;
                    self.count += 8;
                    return;
                }
                _ => return,
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.at += length;
        }
    }

    fn take(&mut self, n: u32) -> Result<(), End> {
        if self.count < n {
            self.fill();
        }
        self.count = self.count.checked_sub(n).ok_or(End::Cut)?;
        self.held <<= n;
        Ok(())
    }

    fn symbol(&mut self, table: &Table) -> Result<u8, End> {
        if self.count < 16 {
            self.fill();
        }
        let next = (self.held >> 48) as u32;
        let (length, symbol) = table.short[(next >> 8) as usize];
        if length > 0 {
            return self.take(length.into()).map(|()| symbol);
        }
        let Some(length) = (9..=16).find(|&length| next < table.limits[length]) else {
            // Zeros that follow the last bits are part of no code.
            return Err(if self.count < 16 { End::Cut } else { End::Unknown });
        };
        let place = (next >> (16 - length)) as i32 + table.places[length];
        let symbol = usize::try_from(place).ok().and_then(|place| table.symbols.get(place));
        self.take(length as u32)?;
        symbol.copied().ok_or(End::Unknown)
    }

    /// Walks over the 64 numbers of a block: the first by its length, the others by runs of zeros and lengths.
    fn block(&mut self, first: &Table, others: &Table) -> Result<(), End> {
        let length = self.symbol(first)?;
        self.take(u32::from(length & 15))?;
        let mut number = 1;
        while number < 64 {
            let symbol = self.symbol(others)?;
            let (zeros, length) = (symbol >> 4, symbol & 15);
            match (zeros, length) {
                (15, 0) => number += 16,
                (_, 0) => return Ok(()),
                _ => {
                    number += usize::from(zeros) + 1;
                    self.take(length.into())?;
                }
            }
        }
        if number == 64 { Ok(()) } else { Err(End::Unknown) }
    }

    /// Passes a restart's marker, and the bits before it; whether it is there.
    fn restart(&mut self) -> bool {
        self.at = self.next_marker();
        (self.held, self.count, self.spare) = (0, 0, true);
        let is_restart = matches!(self.bytes.get(self.at..), Some([0xff, 0xd0..=0xd7, ..]));
        self.at += 2 * usize::from(is_restart);
        is_restart
    }

    /// Where the next marker stands, behind bytes that fill up to it.
    fn next_marker(&self) -> usize {
        let mut at = self.at;
        while let Some([byte, next, ..]) = self.bytes.get(at..) {
            match (byte, next) {
                (0xff, 0x00) => at += 2,
                (0xff, 0xff) => at += 1,
                (0xff, _) => return at,
                _ => at += 1,
            }
        }
        self.bytes.len()
    }
}
