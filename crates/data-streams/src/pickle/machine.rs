//! The machine that runs a pickle.
//!
//! A list, dict or other mutable value may not be taken from the memo: shared and cyclic ones do not occur, and without them
//! values are trees.

use std::{collections::HashMap, rc::Rc};

use super::{Dialect, Keyed, Listed, PickleError, Value};

/// Characters of a name.
pub(super) const LONGEST_NAME: usize = 256;

/// Instructions of a pickle. An instruction of a byte may make a value of many: this bounds their memory.
const MOST_INSTRUCTIONS: usize = 1 << 21;

/// Runs pickles that stand one after another.
#[derive(Debug)]
pub struct Machine<'a, D: Dialect<'a>> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Where the instruction that is carried out stands.
    began: usize,
    pub(super) stack: Vec<Value<'a, D::Object>>,
    /// Heights of the stack that later instructions go back to.
    marks: Vec<usize>,
    memo: HashMap<u32, Option<Value<'a, D::Object>>>,
    dialect: D,
}

pub(super) type Done<T = ()> = Result<T, PickleError>;

impl<'a, D: Dialect<'a>> Machine<'a, D> {
    /// A machine that begins at a byte.
    pub fn new(bytes: &'a [u8], at: usize, dialect: D) -> Self {
        let (stack, marks) = (Vec::new(), Vec::new());
        Self { bytes, at, began: at, stack, marks, memo: HashMap::new(), dialect }
    }

    /// The byte after the last pickle that was run.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The dialect, with what it noted.
    pub fn dialect(&mut self) -> &mut D {
        &mut self.dialect
    }

    /// Runs one pickle and gives the value that it makes.
    ///
    /// # Errors
    /// [`PickleError`] for a pickle that is cut off or damaged, or that has an instruction or a name which is not read.
    pub fn run(&mut self) -> Done<Value<'a, D::Object>> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        for _ in 0..MOST_INSTRUCTIONS {
            self.began = self.at;
            let [code] = *self.chunk()?;
            if code == b'.' {
                return match (self.stack.pop(), self.stack.is_empty() && self.marks.is_empty()) {
                    (Some(value), true) => Ok(value),
                    _ => Err(self.damaged("it ends with other than one value")),
                };
            }
            self.step(code)?;
        }
        Err(self.damaged(format!("more than {MOST_INSTRUCTIONS} instructions")))
    }

    fn step(&mut self, code: u8) -> Done {
        match code {
            0x80 => match *self.chunk()? {
                [protocol] if (2..=D::LATEST).contains(&protocol) => {}
                [other] => {
                    return Err(self.damaged(format!("its protocol is {other}, expected 2 to {}", D::LATEST)));
                }
            },
            // Constants.
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => self.number::<1>()?,
            b'M' => self.number::<2>()?,
            b'J' => {
                let number = i32::from_le_bytes(*self.chunk()?);
                self.stack.push(Value::Int(number.into()));
            }
            0x8a => self.long()?,
            b'X' => {
                let length = u32::from_le_bytes(*self.chunk()?);
                let text = self.text(length as usize)?;
                self.stack.push(Value::Text(text));
            }
            b'c' => self.name()?,
            // Tuples, lists and dicts.
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.tuple(Vec::new())?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(items)?;
            }
            0x85..=0x87 => {
                let items = self.top(usize::from(code - 0x84))?;
                self.tuple(items)?;
            }
            b']' => self.stack.push(Value::List(Listed::default())),
            b'}' => self.stack.push(Value::Dict(Keyed::default())),
            b'a' => {
                let item = self.top(1)?;
                self.append(item)?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.top(2)?;
                self.insert(items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.insert(items)?;
            }
            // The memo.
            b'q' | b'r' => {
                let place = self.place(code == b'r')?;
                self.put(place)?;
            }
            b'h' | b'j' => {
                let place = self.place(code == b'j')?;
                self.get(place)?;
            }
            // Instructions that call Python in a reader that has it.
            b'Q' => self.outside()?,
            b'R' => self.call()?,
            b'b' => self.fill()?,
            code if D::LATEST > 3 => self.later(code)?,
            code => return Err(self.refused(code)),
        }
        Ok(())
    }

    /// Strings of bytes, of Python 2 (`U`, `T`) and of Python 3, and the instructions of protocols 4 and 5.
    fn later(&mut self, code: u8) -> Done {
        match code {
            b'U' | b'C' => {
                let [length] = *self.chunk()?;
                self.push_bytes(length.into())?;
            }
            b'T' | b'B' => {
                let length = u32::from_le_bytes(*self.chunk()?);
                self.push_bytes(length.into())?;
            }
            // Bytes that can be changed are not told apart: nothing changes them.
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(*self.chunk()?);
                self.push_bytes(length)?;
            }
            0x8c => {
                let [length] = *self.chunk()?;
                let text = self.text(length.into())?;
                self.stack.push(Value::Text(text));
            }
            0x93 => {
                let (module, name) = match &self.top(2)?[..] {
                    [Value::Text(module), Value::Text(name)] => (Rc::clone(module), Rc::clone(name)),
                    _ => return Err(self.damaged("a name that is no text")),
                };
                self.named(&module, &name)?;
            }
            // The next place in the memo.
            0x94 => self.put(self.memo.len() as u32)?,
            // A frame: how many bytes may be read ahead.
            0x95 => {
                let _: &[u8; 8] = self.chunk()?;
            }
            code => return Err(self.refused(code)),
        }
        Ok(())
    }

    /// A place in the memo: of one byte, or of four.
    fn place(&mut self, is_long: bool) -> Result<u32, PickleError> {
        if is_long {
            return Ok(u32::from_le_bytes(*self.chunk()?));
        }
        let [place] = *self.chunk()?;
        Ok(place.into())
    }

    /// A function or class: two lines, its module and its name.
    fn name(&mut self) -> Done {
        let (module, name) = (self.line()?, self.line()?);
        self.named(&module, &name)
    }

    fn named(&mut self, module: &str, name: &str) -> Done {
        let Some(found) = D::name(module, name) else {
            let name = format!("{module}.{name}").chars().take(LONGEST_NAME).collect();
            return Err(PickleError::Name { name, content: D::CONTENT });
        };
        self.stack.push(Value::Object(found));
        Ok(())
    }

    /// The values above the last mark, which is taken away.
    fn pop_to_mark(&mut self) -> Done<Vec<Value<'a, D::Object>>> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// The last `n` values; those below a mark are out of reach.
    fn top(&mut self, n: usize) -> Done<Vec<Value<'a, D::Object>>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(n).filter(|&from| from >= floor);
        let from = from.ok_or_else(|| self.damaged("a value is missing"))?;
        Ok(self.stack.split_off(from))
    }

    fn tuple(&mut self, items: Vec<Value<'a, D::Object>>) -> Done {
        let tuple = Listed::of(items).ok_or_else(|| self.too_deep())?;
        self.stack.push(Value::Tuple(tuple));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value<'a, D::Object>>) -> Done {
        match self.stack.last_mut() {
            Some(Value::List(list)) => list.extend(items).ok_or_else(|| self.too_deep()),
            _ => Err(self.damaged("there is no list to append to")),
        }
    }

    fn insert(&mut self, items: Vec<Value<'a, D::Object>>) -> Done {
        let Some(Value::Dict(dict)) = self.stack.last_mut() else {
            return Err(self.damaged("there is no dict to fill"));
        };
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            let inserted = items.next().map(|value| dict.insert(key, value));
            match inserted {
                Some(Some(())) => {}
                Some(None) => return Err(self.too_deep()),
                None => return Err(self.damaged("a key without a value")),
            }
        }
        Ok(())
    }

    fn put(&mut self, at: u32) -> Done {
        let value = self.stack.last().ok_or_else(|| self.damaged("there is no value to remember"))?;
        let value = (!value.is_mutable::<D>()).then(|| value.clone());
        self.memo.insert(at, value);
        Ok(())
    }

    fn get(&mut self, at: u32) -> Done {
        match self.memo.get(&at) {
            Some(Some(value)) => self.stack.push(value.clone()),
            Some(None) => {
                return Err(self.damaged("a list or dict in two places, or another value that changes"));
            }
            None => return Err(self.damaged("it recalls what was not remembered")),
        }
        Ok(())
    }

    /// An object outside of the pickle, named by a value in it.
    fn outside(&mut self) -> Done {
        let id = self.top(1)?;
        let object = id.first().map(|id| self.dialect.outside(id));
        let object = object.unwrap_or_else(|| Err("it names nothing".into()));
        let object = object.map_err(|problem| self.damaged(problem))?;
        self.stack.push(Value::Object(object));
        Ok(())
    }

    /// A call of a name.
    fn call(&mut self) -> Done {
        let called = self.top(2)?;
        let [Value::Object(called), Value::Tuple(arguments)] = &called[..] else {
            return Err(self.damaged("a call of what is no name"));
        };
        let made = self.dialect.call(called, &arguments.items);
        let made = made.map_err(|problem| self.damaged(problem))?;
        self.stack.push(made);
        Ok(())
    }

    /// Attributes of the last value but one.
    fn fill(&mut self) -> Done {
        let state = self.top(1)?;
        let floor = self.marks.last().copied().unwrap_or(0);
        let filled = match (self.stack.len() > floor, self.stack.last_mut(), state.first()) {
            (true, Some(value), Some(state)) => self.dialect.fill(value, state),
            _ => Err("attributes of nothing".into()),
        };
        filled.map_err(|problem| self.damaged(problem))
    }

    fn refused(&self, code: u8) -> PickleError {
        PickleError::Instruction { code, at: self.began, content: D::CONTENT }
    }

    pub(super) fn damaged(&self, problem: impl Into<String>) -> PickleError {
        PickleError::Damaged { at: self.began, problem: problem.into() }
    }

    fn too_deep(&self) -> PickleError {
        self.damaged("values within values without end")
    }
}
