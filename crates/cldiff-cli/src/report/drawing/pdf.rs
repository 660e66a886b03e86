//! Figures as PDF: one page of the figure's size, with the fonts that every reader of PDF has.

use pdf_writer::{
    Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{LineCapStyle, LineJoinStyle},
};

use super::{
    Anchor, Figure, Letters, Mark, Point, Stroke,
    letters::{in_symbol, width},
    whole::{Whole, Window},
};
use crate::report::palette::{Colour, Paint};

const INK: Colour = Colour(27, 31, 36);
/// Points in a pixel: 72 and 96 to the inch.
const POINTS: f64 = 0.75;
/// The distance of a Bézier curve's inner points, in radii, that makes four of them a circle.
const ROUND: f64 = 0.552_284_75;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);

/// A font: its name in the page, its object, and the name by which readers know it.
type Font = (Name<'static>, Ref, Name<'static>);

const PLAIN: Font = (Name(b"P"), Ref::new(6), Name(b"Helvetica"));
const BOLD: Font = (Name(b"B"), Ref::new(7), Name(b"Helvetica-Bold"));
const SYMBOL: Font = (Name(b"S"), Ref::new(8), Name(b"Symbol"));

pub(super) fn file(figure: &Figure) -> Vec<u8> {
    let whole = Whole::of(figure);
    let window @ [_, _, width, height] = whole.everything();
    let mut paper = Paper::new(window);
    whole.marks.marks.iter().for_each(|mark| paper.draw(mark));
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    pdf.document_info(INFO).title(TextStr(&figure.title));
    let mut page = pdf.page(PAGE);
    page.parent(PAGES).contents(CONTENT);
    page.media_box(Rect::new(0.0, 0.0, (width * POINTS) as f32, (height * POINTS) as f32));
    let mut resources = page.resources();
    let mut fonts = resources.fonts();
    for (name, object, _) in [PLAIN, BOLD, SYMBOL] {
        fonts.pair(name, object);
    }
    fonts.finish();
    let mut states = resources.ext_g_states();
    for (i, opacity) in paper.opacities.iter().enumerate() {
        let mut state = states.insert(Name(&opacity_name(i))).dict();
        state.pair(Name(b"CA"), *opacity as f32).pair(Name(b"ca"), *opacity as f32);
    }
    states.finish();
    resources.finish();
    page.finish();
    for (_, object, name) in [PLAIN, BOLD] {
        pdf.type1_font(object).base_font(name).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.type1_font(SYMBOL.1).base_font(SYMBOL.2);
    pdf.stream(CONTENT, &paper.content.finish());
    pdf.finish()
}

fn opacity_name(i: usize) -> Vec<u8> {
    format!("O{i}").into_bytes()
}

/// The content of the page, in pixels with y down, and the opacities that it has used.
struct Paper {
    content: Content,
    opacities: Vec<f64>,
}

impl Paper {
    fn new([left, top, width, height]: Window) -> Self {
        let mut content = Content::new();
        content.set_fill_rgb(1.0, 1.0, 1.0);
        content.rect(0.0, 0.0, (width * POINTS) as f32, (height * POINTS) as f32).fill_nonzero();
        let pixel = POINTS as f32;
        content.transform([
            pixel,
            0.0,
            0.0,
            -pixel,
            (-left * POINTS) as f32,
            ((height + top) * POINTS) as f32,
        ]);
        content.set_line_join(LineJoinStyle::RoundJoin).set_line_cap(LineCapStyle::ButtCap);
        Self { content, opacities: Vec::new() }
    }

    fn draw(&mut self, mark: &Mark) {
        match mark {
            Mark::Line(points, stroke) => {
                self.stroke(*stroke);
                self.path(points);
                self.content.stroke();
            }
            Mark::Area(points, paint) => {
                self.fill(*paint);
                self.path(points);
                self.content.close_path().fill_nonzero();
            }
            Mark::Circle(at, radius, paint) => {
                self.fill(*paint);
                self.circle(*at, *radius);
                self.content.fill_nonzero();
            }
            Mark::Ring(at, radius, stroke) => {
                self.stroke(*stroke);
                self.circle(*at, *radius);
                self.content.stroke();
            }
            Mark::Words(text, at, letters) => self.words(text, *at, *letters),
        }
    }

    fn path(&mut self, points: &[Point]) {
        for (i, (x, y)) in points.iter().enumerate() {
            let (x, y) = (*x as f32, *y as f32);
            if i == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
    }

    fn circle(&mut self, (x, y): Point, radius: f64) {
        let at = |across: f64, down: f64| ((x + across * radius) as f32, (y + down * radius) as f32);
        let start = at(1.0, 0.0);
        self.content.move_to(start.0, start.1);
        // A quarter from each direction to the next.
        for ((ax, ay), (bx, by)) in [
            ((1.0, 0.0), (0.0, 1.0)),
            ((0.0, 1.0), (-1.0, 0.0)),
            ((-1.0, 0.0), (0.0, -1.0)),
            ((0.0, -1.0), (1.0, 0.0)),
        ] {
            let (first, second) =
                (at(ax + ROUND * bx, ay + ROUND * by), at(bx + ROUND * ax, by + ROUND * ay));
            let end = at(bx, by);
            self.content.cubic_to(first.0, first.1, second.0, second.1, end.0, end.1);
        }
        self.content.close_path();
    }

    fn opacity(&mut self, opacity: f64) {
        let known = self.opacities.iter().position(|known| *known == opacity);
        let i = known.unwrap_or_else(|| {
            self.opacities.push(opacity);
            self.opacities.len() - 1
        });
        self.content.set_parameters(Name(&opacity_name(i)));
    }

    fn fill(&mut self, paint: Paint) {
        let [r, g, b] = shares(paint);
        self.opacity(paint.opacity);
        self.content.set_fill_rgb(r, g, b);
    }

    fn stroke(&mut self, stroke: Stroke) {
        let [r, g, b] = shares(stroke.paint);
        self.opacity(stroke.paint.opacity);
        let dash = stroke.dash.iter().map(|length| *length as f32);
        self.content.set_stroke_rgb(r, g, b).set_line_width(stroke.width as f32).set_dash_pattern(dash, 0.0);
    }

    fn words(&mut self, text: &str, (x, y): Point, letters: Letters) {
        let back = match letters.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width(text, letters.size) / 2.0,
            Anchor::End => width(text, letters.size),
        };
        // The text's directions along and up, in pixels with y down.
        let (matrix, x, y) = if letters.upwards {
            ([0.0, -1.0, -1.0, 0.0], x, y + back)
        } else {
            ([1.0, 0.0, 0.0, -1.0], x - back, y)
        };
        let [a, b, c, d] = matrix;
        self.fill(letters.paint);
        self.content.begin_text().set_text_matrix([a, b, c, d, x as f32, y as f32]);
        for (font, bytes) in runs(text, if letters.bold { BOLD } else { PLAIN }) {
            self.content.set_font(font.0, letters.size as f32).show(Str(&bytes));
        }
        self.content.end_text();
    }
}

fn shares(paint: Paint) -> [f32; 3] {
    let Colour(r, g, b) = paint.colour.unwrap_or(INK);
    [r, g, b].map(|part| f32::from(part) / 255.0)
}

/// The parts of a text by font. Letters that no font has become question marks.
fn runs(text: &str, font: Font) -> Vec<(Font, Vec<u8>)> {
    let mut runs: Vec<(Font, Vec<u8>)> = Vec::new();
    for letter in text.chars() {
        let (font, byte) = match (in_windows(letter), in_symbol(letter)) {
            (Some(byte), _) => (font, byte),
            (None, Some(byte)) => (SYMBOL, byte),
            (None, None) => (font, b'?'),
        };
        match runs.last_mut() {
            Some((last, bytes)) if *last == font => bytes.push(byte),
            _ => runs.push((font, vec![byte])),
        }
    }
    runs
}

/// The place of a letter in `WinAnsiEncoding`: that of Latin 1, with typographic signs between.
fn in_windows(letter: char) -> Option<u8> {
    let sign = match letter {
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        ' '..='~' | '\u{a0}'..='ÿ' => return u8::try_from(u32::from(letter)).ok(),
        _ => return None,
    };
    Some(sign)
}
