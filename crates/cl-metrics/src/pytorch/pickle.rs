//! A machine for the part of pickle's language that a dict of tensors is written in (protocol 2; the instructions are
//! documented in Python's `pickletools`). It makes values of its own and calls nothing.
//!
//! A list or dict may not be taken from the memo: shared and cyclic ones do not occur, and without them values are trees.

use std::{collections::HashMap, rc::Rc};

use super::{
    error::StateDictError,
    storage::{Storage, View},
    value::{Keyed, Listed, Name, Value},
};

/// Characters of a name.
const LONGEST_NAME: usize = 256;

/// Runs pickles that stand one after another.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the instruction that is carried out stands.
    began: usize,
    stack: Vec<Value>,
    /// Heights of the stack that later instructions go back to.
    marks: Vec<usize>,
    memo: HashMap<u32, Option<Value>>,
    storages: Vec<Rc<Storage>>,
}

type Done<T = ()> = Result<T, StateDictError>;

impl<'a> Machine<'a> {
    /// A machine that begins at a byte.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        let (stack, marks, storages) = (Vec::new(), Vec::new(), Vec::new());
        Self { bytes, at, began: at, stack, marks, memo: HashMap::new(), storages }
    }

    /// The byte after the last pickle that was run.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The storages that the pickles named.
    pub(super) fn take_storages(&mut self) -> Vec<Rc<Storage>> {
        std::mem::take(&mut self.storages)
    }

    /// Runs one pickle and gives the value that it makes.
    pub(super) fn run(&mut self) -> Done<Value> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
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
    }

    fn step(&mut self, code: u8) -> Done {
        match code {
            0x80 => match *self.chunk()? {
                [2 | 3] => {}
                [other] => return Err(self.damaged(format!("its protocol is {other}, expected 2"))),
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
            b'q' => {
                let [at] = *self.chunk()?;
                self.put(at.into())?;
            }
            b'r' => {
                let at = u32::from_le_bytes(*self.chunk()?);
                self.put(at)?;
            }
            b'h' => {
                let [at] = *self.chunk()?;
                self.get(at.into())?;
            }
            b'j' => {
                let at = u32::from_le_bytes(*self.chunk()?);
                self.get(at)?;
            }
            // What would call Python.
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            b'b' => self.attributes()?,
            code => return Err(StateDictError::Instruction { code, at: self.began }),
        }
        Ok(())
    }

    fn chunk<const N: usize>(&mut self) -> Done<&'a [u8; N]> {
        let chunk = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let chunk = chunk.ok_or(StateDictError::Cut { at: self.bytes.len(), within: "a pickle" })?;
        self.at += N;
        Ok(chunk)
    }

    fn slice(&mut self, length: usize) -> Done<&'a [u8]> {
        let slice = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let slice = slice.ok_or(StateDictError::Cut { at: self.bytes.len(), within: "a pickle" })?;
        self.at += length;
        Ok(slice)
    }

    fn text(&mut self, length: usize) -> Done<Rc<str>> {
        let slice = self.slice(length)?;
        std::str::from_utf8(slice).map(Into::into).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    /// A number of one or two bytes, without a sign.
    fn number<const N: usize>(&mut self) -> Done {
        let number = self.chunk::<N>()?.iter().rev().fold(0, |number, &byte| number << 8 | i64::from(byte));
        self.stack.push(Value::Int(number));
        Ok(())
    }

    /// A number of any length, with a sign.
    fn long(&mut self) -> Done {
        let [length] = *self.chunk()?;
        let slice = self.slice(length.into())?;
        if slice.len() > 8 {
            return Err(self.damaged("a number of more than 64 bits"));
        }
        let sign = slice.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { 0xff });
        let mut bytes = [sign; 8];
        bytes[..slice.len()].copy_from_slice(slice);
        self.stack.push(Value::Int(i64::from_le_bytes(bytes)));
        Ok(())
    }

    /// A function or class: two lines, its module and its name.
    fn name(&mut self) -> Done {
        let (module, name) = (self.line()?, self.line()?);
        let found = Name::parse(&module, &name);
        self.stack.push(Value::Name(found.ok_or_else(|| StateDictError::Name(format!("{module}.{name}")))?));
        Ok(())
    }

    fn line(&mut self) -> Done<Rc<str>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(LONGEST_NAME).position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| self.damaged("a name without an end"))?;
        let line = self.text(length)?;
        self.at += 1;
        Ok(line)
    }

    /// The values above the last mark, which is taken away.
    fn pop_to_mark(&mut self) -> Done<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// The last `n` values; those below a mark are out of reach.
    fn top(&mut self, n: usize) -> Done<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(n).filter(|&from| from >= floor);
        let from = from.ok_or_else(|| self.damaged("a value is missing"))?;
        Ok(self.stack.split_off(from))
    }

    fn tuple(&mut self, items: Vec<Value>) -> Done {
        let tuple = Listed::of(items).ok_or_else(|| self.too_deep())?;
        self.stack.push(Value::Tuple(tuple));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Done {
        match self.stack.last_mut() {
            Some(Value::List(list)) => list.extend(items).ok_or_else(|| self.too_deep()),
            _ => Err(self.damaged("there is no list to append to")),
        }
    }

    fn insert(&mut self, items: Vec<Value>) -> Done {
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
        let value = (!value.is_mutable()).then(|| value.clone());
        self.memo.insert(at, value);
        Ok(())
    }

    fn get(&mut self, at: u32) -> Done {
        match self.memo.get(&at) {
            Some(Some(value)) => self.stack.push(value.clone()),
            Some(None) => return Err(self.damaged("a list or dict in two places")),
            None => return Err(self.damaged("it recalls what was not remembered")),
        }
        Ok(())
    }

    /// A storage, which is named by a tuple.
    fn persistent(&mut self) -> Done {
        let storage = match &self.top(1)?[..] {
            [Value::Tuple(id)] => Storage::of_persistent_id(id),
            _ => None,
        };
        let storage = Rc::new(storage.ok_or_else(|| self.damaged("what it names is no storage"))?);
        self.storages.push(Rc::clone(&storage));
        self.stack.push(Value::Storage(storage));
        Ok(())
    }

    /// The calls that make a dict or a tensor.
    fn call(&mut self) -> Done {
        let called = self.top(2)?;
        let [Value::Name(name), Value::Tuple(arguments)] = &called[..] else {
            return Err(self.damaged("a call of what is no name"));
        };
        let made = match (name, &arguments.items[..]) {
            (Name::OrderedDict, []) => Some(Value::Dict(Keyed::default())),
            (Name::RebuildTensor, arguments @ [_, _, _, _])
            | (Name::RebuildTensorV2, arguments @ [_, _, _, _, _, _]) => {
                View::of_arguments(arguments).map(|view| Value::Tensor(Rc::new(view)))
            }
            (Name::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Some(tensor.clone()),
            _ => None,
        };
        let made =
            made.ok_or_else(|| self.damaged(format!("arguments that {} does not take", name.called())))?;
        self.stack.push(made);
        Ok(())
    }

    /// Attributes of a dict: a module's version numbers, which are left out.
    fn attributes(&mut self) -> Done {
        match (&self.top(1)?[..], self.stack.last()) {
            ([Value::Dict(_)], Some(Value::Dict(_))) => Ok(()),
            _ => Err(self.damaged("attributes of what is no dict")),
        }
    }

    fn damaged(&self, problem: impl Into<String>) -> StateDictError {
        StateDictError::Pickle { at: self.began, problem: problem.into() }
    }

    fn too_deep(&self) -> StateDictError {
        self.damaged("values within values without end")
    }
}
