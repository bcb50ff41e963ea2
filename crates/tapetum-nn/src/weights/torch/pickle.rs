//! A pickle machine for protocol 2 that builds values and never calls anything.
//!
//! The opcodes are those that `torch.save` emits for dicts of tensors. `GLOBAL` accepts the names in
//! [`Global`] and nothing else, so a pickle that asks for `os.system` fails at that opcode.

use std::rc::Rc;

use super::storage::ElementType;
use crate::weights::WeightsError;

/// Most values one pickle may build.
const N_VALUES_MAX: usize = 4_000_000;
/// Longest string, in bytes.
const STRING_BYTES_MAX: usize = 1 << 20;

/// Index of a value in [`Pickle::values`]. Containers refer to their parts by index, so that the
/// memo can share them.
pub(super) type ValueIdx = usize;

/// What a pickle can hold here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    /// An integer too large for an `i64`; only a file's magic number is one.
    Long,
    Text(Rc<str>),
    Tuple(Vec<ValueIdx>),
    List(Vec<ValueIdx>),
    Dict(Vec<(ValueIdx, ValueIdx)>),
    Global(Global),
    Storage(StorageRef),
    Tensor(TensorRef),
}

/// The only names a pickle may load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(ElementType),
}

/// A stretch of numbers stored outside the pickle.
#[derive(Debug, Clone)]
pub(super) struct StorageRef {
    pub(super) key: Rc<str>,
    pub(super) element_type: ElementType,
    pub(super) n_elements: usize,
}

/// A strided view into a storage.
#[derive(Debug, Clone)]
pub(super) struct TensorRef {
    pub(super) storage: StorageRef,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// One finished pickle: its result and everything it refers to.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) result: ValueIdx,
    /// Bytes of the stream up to and including `STOP`.
    pub(super) n_bytes: usize,
}

impl Pickle {
    pub(super) fn result(&self) -> &Value {
        &self.values[self.result]
    }

    pub(super) fn text(&self, idx: ValueIdx) -> Option<&str> {
        match &self.values[idx] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Runs the pickle at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, WeightsError> {
    let mut machine = Machine { bytes, position: 0, values: vec![], stack: vec![], memo: vec![] };
    while let Some(()) = machine.step()? {}
    let result = machine.pop()?;
    Ok(Pickle { values: machine.values, result, n_bytes: machine.position })
}

/// An entry of the pickle stack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    Mark,
    Value(ValueIdx),
}

struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    values: Vec<Value>,
    stack: Vec<Slot>,
    memo: Vec<Option<ValueIdx>>,
}

impl Machine<'_> {
    /// Runs one opcode; `None` after `STOP`.
    fn step(&mut self) -> Result<Option<()>, WeightsError> {
        match self.u8()? {
            b'.' => return Ok(None),
            0x80 => self.expect_protocol()?,
            0x95 => drop(self.take(8)?),
            b'(' => self.stack.push(Slot::Mark),
            b'}' => self.push(Value::Dict(vec![]))?,
            b']' => self.push(Value::List(vec![]))?,
            b')' => self.push(Value::Tuple(vec![]))?,
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool)?,
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => self.signed_int()?,
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)?;
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'U' => self.text(1)?,
            b'q' => self.memoize(1)?,
            b'r' => self.memoize(4)?,
            0x94 => self.put(self.memo.len())?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b't' => self.tuple_since_mark()?,
            0x85 => self.tuple_of(1)?,
            0x86 => self.tuple_of(2)?,
            0x87 => self.tuple_of(3)?,
            b'a' => self.append_one()?,
            b'e' => self.append_since_mark()?,
            b's' => self.set_one()?,
            b'u' => self.set_since_mark()?,
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b'Q' => self.persistent_id()?,
            b'R' => self.reduce()?,
            b'b' => self.ignore_state()?,
            other => return Err(bad(format!("opcode 0x{other:02x} is not one of a state dict"))),
        }
        Ok(Some(()))
    }

    fn take(&mut self, n: usize) -> Result<&[u8], WeightsError> {
        let end = self.position.checked_add(n).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| bad(format!("it ends at byte {}", self.bytes.len())))?;
        let start = std::mem::replace(&mut self.position, end);
        Ok(&self.bytes[start..end])
    }

    fn u8(&mut self) -> Result<u8, WeightsError> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned little-endian number of `n` bytes.
    fn unsigned(&mut self, n: usize) -> Result<usize, WeightsError> {
        let bytes = self.take(n)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn expect_protocol(&mut self) -> Result<(), WeightsError> {
        match self.u8()? {
            2..=5 => Ok(()),
            other => Err(bad(format!("expected pickle protocol 2 to 5, found {other}"))),
        }
    }

    fn push(&mut self, value: Value) -> Result<(), WeightsError> {
        if self.values.len() >= N_VALUES_MAX || self.stack.len() >= N_VALUES_MAX {
            let (limit, found) = (N_VALUES_MAX as u64, self.values.len() as u64 + 1);
            return Err(WeightsError::Limit {
                name: "number of values in the pickle",
                limit,
                found,
            });
        }
        self.values.push(value);
        self.stack.push(Slot::Value(self.values.len() - 1));
        Ok(())
    }

    fn pop(&mut self) -> Result<ValueIdx, WeightsError> {
        match self.stack.pop() {
            Some(Slot::Value(idx)) => Ok(idx),
            _ => Err(bad("the stack is empty where a value is needed")),
        }
    }

    fn top(&self) -> Result<ValueIdx, WeightsError> {
        match self.stack.last() {
            Some(Slot::Value(idx)) => Ok(*idx),
            _ => Err(bad("the stack is empty where a value is needed")),
        }
    }

    /// Everything above the last mark, which is removed too.
    fn pop_to_mark(&mut self) -> Result<Vec<ValueIdx>, WeightsError> {
        let mark = self.stack.iter().rposition(|slot| *slot == Slot::Mark);
        let mark = mark.ok_or_else(|| bad("a mark is missing"))?;
        let slots = self.stack.split_off(mark);
        Ok(slots
            .into_iter()
            .filter_map(|s| if let Slot::Value(v) = s { Some(v) } else { None })
            .collect())
    }

    fn int(&mut self, n_bytes: usize) -> Result<(), WeightsError> {
        let number = self.unsigned(n_bytes)?;
        self.push(Value::Int(number as i64))
    }

    fn signed_int(&mut self) -> Result<(), WeightsError> {
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        self.push(Value::Int(i32::from_le_bytes(bytes).into()))
    }

    fn long(&mut self) -> Result<(), WeightsError> {
        let n = self.unsigned(1)?;
        let bytes = self.take(n)?.to_vec();
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        if bytes.len() > 8 {
            return self.push(Value::Long);
        }
        let mut wide = [if is_negative { 0xff } else { 0 }; 8];
        wide[..n].copy_from_slice(&bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn text(&mut self, n_length_bytes: usize) -> Result<(), WeightsError> {
        let n = self.unsigned(n_length_bytes)?;
        if n > STRING_BYTES_MAX {
            let (limit, found) = (STRING_BYTES_MAX as u64, n as u64);
            return Err(WeightsError::Limit {
                name: "length of a string in the pickle",
                limit,
                found,
            });
        }
        let text = std::str::from_utf8(self.take(n)?).map_err(|_| bad("a string is not UTF-8"))?;
        let text = Rc::from(text);
        self.push(Value::Text(text))
    }

    fn memoize(&mut self, n_bytes: usize) -> Result<(), WeightsError> {
        let slot = self.unsigned(n_bytes)?;
        self.put(slot)
    }

    fn put(&mut self, slot: usize) -> Result<(), WeightsError> {
        // Checkpoints number their memo densely; a far slot would only be there to take memory.
        if slot > self.values.len() + self.memo.len() {
            return Err(bad(format!("memo slot {slot} is far beyond the values read")));
        }
        let idx = self.top()?;
        if self.memo.len() <= slot {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(idx);
        Ok(())
    }

    fn recall(&mut self, n_bytes: usize) -> Result<(), WeightsError> {
        let slot = self.unsigned(n_bytes)?;
        let idx = self.memo.get(slot).copied().flatten();
        let idx = idx.ok_or_else(|| bad(format!("memo slot {slot} is empty")))?;
        self.stack.push(Slot::Value(idx));
        Ok(())
    }

    fn tuple_since_mark(&mut self) -> Result<(), WeightsError> {
        let parts = self.pop_to_mark()?;
        self.push(Value::Tuple(parts))
    }

    fn tuple_of(&mut self, n: usize) -> Result<(), WeightsError> {
        let mut parts = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        parts.reverse();
        self.push(Value::Tuple(parts))
    }

    fn append_one(&mut self) -> Result<(), WeightsError> {
        let part = self.pop()?;
        self.append(vec![part])
    }

    fn append_since_mark(&mut self) -> Result<(), WeightsError> {
        let parts = self.pop_to_mark()?;
        self.append(parts)
    }

    fn append(&mut self, parts: Vec<ValueIdx>) -> Result<(), WeightsError> {
        let list = self.top()?;
        match &mut self.values[list] {
            Value::List(list) => list.extend(parts),
            _ => return Err(bad("an append finds no list")),
        }
        Ok(())
    }

    fn set_one(&mut self) -> Result<(), WeightsError> {
        let (value, key) = (self.pop()?, self.pop()?);
        self.set(&[key, value])
    }

    fn set_since_mark(&mut self) -> Result<(), WeightsError> {
        let parts = self.pop_to_mark()?;
        self.set(&parts)
    }

    fn set(&mut self, parts: &[ValueIdx]) -> Result<(), WeightsError> {
        let dict = self.top()?;
        let Value::Dict(entries) = &mut self.values[dict] else {
            return Err(bad("a set finds no dict"));
        };
        let (pairs, rest) = parts.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(bad("a dict has a key without a value"));
        }
        entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn line(&mut self) -> Result<String, WeightsError> {
        let rest = &self.bytes[self.position..];
        let end = rest.iter().take(STRING_BYTES_MAX).position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or_else(|| bad("a name has no end"))? + 1)?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
    }

    fn global(&mut self) -> Result<(), WeightsError> {
        let (module, name) = (self.line()?, self.line()?);
        self.push(Value::Global(allowed_global(&module, &name)?))
    }

    fn stack_global(&mut self) -> Result<(), WeightsError> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (&self.values[module], &self.values[name])
        else {
            return Err(bad("a global is not named by two strings"));
        };
        let global = allowed_global(module, name)?;
        self.push(Value::Global(global))
    }

    /// `('storage', type, key, location, n_elements)` becomes a storage.
    fn persistent_id(&mut self) -> Result<(), WeightsError> {
        let id = self.pop()?;
        let Value::Tuple(parts) = &self.values[id] else {
            return Err(bad("a storage is not named by a tuple"));
        };
        let parts: Vec<&Value> = parts.iter().map(|&part| &self.values[part]).collect();
        let storage = match parts[..] {
            [
                Value::Text(kind),
                Value::Global(Global::Storage(element_type)),
                Value::Text(key),
                _,
                Value::Int(n),
                ..,
            ] if &**kind == "storage" => StorageRef {
                key: Rc::clone(key),
                element_type: *element_type,
                n_elements: size(*n)?,
            },
            _ => return Err(bad("a storage reference has an unknown form")),
        };
        self.push(Value::Storage(storage))
    }

    /// "Calls" one of the known names on a tuple of arguments.
    fn reduce(&mut self) -> Result<(), WeightsError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(bad("the arguments of a call are not a tuple"));
        };
        let arguments: Vec<&Value> = arguments.iter().map(|&part| &self.values[part]).collect();
        let value = match (&self.values[callee], &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Value::Dict(vec![]),
            (Value::Global(Global::OrderedDict), [Value::List(pairs)]) => {
                Value::Dict(self.entries(pairs)?)
            }
            (
                Value::Global(Global::RebuildTensor),
                [Value::Storage(storage), Value::Int(offset), shape, strides, ..],
            ) => Value::Tensor(TensorRef {
                storage: storage.clone(),
                offset: size(*offset)?,
                shape: self.sizes(shape)?,
                strides: self.sizes(strides)?,
            }),
            (Value::Global(Global::RebuildParameter), [Value::Tensor(tensor), ..]) => {
                Value::Tensor(tensor.clone())
            }
            (callee, _) => return Err(bad(format!("a call of {callee:?} has an unknown form"))),
        };
        self.push(value)
    }

    /// Key and value of each pair in a list, as Python 2 wrote ordered dicts.
    fn entries(&self, pairs: &[ValueIdx]) -> Result<Vec<(ValueIdx, ValueIdx)>, WeightsError> {
        let entry = |&pair: &ValueIdx| match &self.values[pair] {
            Value::List(parts) | Value::Tuple(parts) => match parts[..] {
                [key, value] => Ok((key, value)),
                _ => Err(bad(format!("expected a key and a value, got {} values", parts.len()))),
            },
            other => Err(bad(format!("expected a key and a value, got {other:?}"))),
        };
        pairs.iter().map(entry).collect()
    }

    /// `BUILD` attaches attributes such as `_metadata` to a dict; they hold no tensors.
    fn ignore_state(&mut self) -> Result<(), WeightsError> {
        self.pop()?;
        self.top().map(drop)
    }

    fn sizes(&self, tuple: &Value) -> Result<Vec<usize>, WeightsError> {
        let Value::Tuple(parts) = tuple else {
            return Err(bad("a shape is not a tuple"));
        };
        let number = |idx: &ValueIdx| match &self.values[*idx] {
            Value::Int(number) => size(*number),
            other => Err(bad(format!("a shape holds {other:?}"))),
        };
        parts.iter().map(number).collect()
    }
}

fn size(number: i64) -> Result<usize, WeightsError> {
    usize::try_from(number).map_err(|_| bad(format!("a size is negative: {number}")))
}

fn allowed_global(module: &str, name: &str) -> Result<Global, WeightsError> {
    let storage = |name: &str| name.strip_suffix("Storage").and_then(ElementType::from_torch);
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
        ("torch", name) if storage(name).is_some() => {
            Ok(Global::Storage(storage(name).expect("checked by the guard")))
        }
        _ => Err(WeightsError::ForbiddenGlobal { global: format!("{module}.{name}") }),
    }
}

fn bad(detail: impl Into<String>) -> WeightsError {
    WeightsError::BadData { format: "PyTorch", detail: detail.into() }
}
