//! What the rows of a history assert of one register, and by which numbers its values go.

use rustc_hash::FxHashMap;
use tribunal_history::{Code, F, OpIndex, Operation, Outcome, Value};

use crate::linearizable::codes::{Numbers, Span};
use crate::linearizable::fast::Partition;
use crate::linearizable::{Dialect, NEVER, NilRead};

/// An operation as the zone test sees it. Nothing there is the value [`Code::ABSENT`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Row {
    /// It asserts nothing, and nothing can depend on it.
    Nothing,
    /// A compare-and-set of a value to itself that succeeded is a read, too.
    Read(Code),
    Write {
        value: Code,
        completed: bool,
    },
    Cas {
        from: Code,
        to: Code,
        completed: bool,
    },
    /// It found another value than this at some instant.
    Missed(Code),
    /// Registers have no such operation.
    Foreign,
}

/// Reads rows under a dialect. Ranks are moved by one: at 0 the register holds its initial value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'p> {
    pub(super) partition: &'p Partition<'p>,
    pub(super) initial: Code,
    nil: Code,
    cas: bool,
}

impl<'p> Reader<'p> {
    pub(super) fn new(partition: &'p Partition<'p>, initial: &Value, cas: bool) -> Reader<'p> {
        let code = |value: &Value| partition.history.code(value);
        // What does not occur has no code; no operation bears that of an unanswered read.
        let initial = match initial {
            Value::Nil => Code::ABSENT,
            value => code(value).unwrap_or(Code::PENDING),
        };
        Reader { partition, initial, nil: code(&Value::Nil).unwrap_or(Code::ABSENT), cas }
    }

    pub(super) fn operation(&self, index: OpIndex) -> Operation<'p> {
        self.partition.history.operation(index)
    }

    /// What the operation at `index` asserts.
    pub(super) fn at(&self, index: OpIndex) -> Row {
        self.row(&self.operation(index))
    }

    #[inline(always)]
    pub(super) fn row(&self, operation: &Operation<'_>) -> Row {
        let outcome = operation.outcome();
        match operation.f() {
            F::Read => match (outcome, self.value(operation.a())) {
                (Outcome::Ok, Code::ABSENT) if self.dialect().nil_read == NilRead::Unknown => {
                    Row::Nothing
                }
                (Outcome::Ok, value) if value != Code::PENDING => Row::Read(value),
                _ => Row::Nothing,
            },
            F::Write => match outcome {
                Outcome::Fail => Row::Nothing,
                outcome => {
                    let value = self.value(operation.a());
                    Row::Write { value, completed: outcome == Outcome::Ok }
                }
            },
            F::Cas if self.cas => self.cas(operation, outcome),
            _ => Row::Foreign,
        }
    }

    #[inline(never)]
    fn cas(&self, operation: &Operation<'_>, outcome: Outcome) -> Row {
        let (from, to) = (self.value(operation.a()), self.value(operation.b()));
        match outcome {
            Outcome::Ok if from == to => Row::Read(from),
            Outcome::Ok => Row::Cas { from, to, completed: true },
            Outcome::Info | Outcome::Open if from == to => Row::Nothing,
            Outcome::Info | Outcome::Open => Row::Cas { from, to, completed: false },
            Outcome::Fail => {
                let error = operation.error();
                let observed = self.dialect().failed_cas.is_observation(error.as_ref());
                if observed { Row::Missed(from) } else { Row::Nothing }
            }
        }
    }

    fn dialect(&self) -> Dialect {
        self.partition.dialect
    }

    #[inline]
    fn value(&self, code: Code) -> Code {
        if code == self.nil { Code::ABSENT } else { code }
    }

    /// Rank of the invocation of the operation at `index`, from 1.
    #[inline]
    pub(super) fn call(&self, index: u32) -> u32 {
        self.operation(OpIndex(index)).call().0 + 1
    }

    /// Rank of its return, from 2. Meaningful for operations that completed.
    #[inline]
    pub(super) fn ret(&self, index: u32) -> u32 {
        self.operation(OpIndex(index)).ret().map_or(NEVER, |ret| ret.0 + 1)
    }
}

/// What one pass over a partition finds, before any value has a number.
pub(super) struct Survey {
    pub(super) span: Span,
    /// Whether operations are in the order of their calls.
    pub(super) sorted: bool,
    pub(super) completed: u64,
    /// Crashed ones that may have had an effect anybody saw.
    pub(super) crashed: u64,
    pub(super) writers: usize,
    pub(super) cas: usize,
    pub(super) missed: Vec<u32>,
    pub(super) first_rank: u32,
    /// Of the last event that bounds anything.
    pub(super) last_rank: u32,
}

/// `None` where an operation is no register's.
pub(super) fn survey(reader: &Reader<'_>) -> Option<Survey> {
    let mut survey = Survey {
        span: Span::new(),
        sorted: true,
        completed: 0,
        crashed: 0,
        writers: 0,
        cas: 0,
        missed: Vec::new(),
        first_rank: u32::MAX,
        last_rank: 0,
    };
    survey.span.add(reader.initial);
    let (mut last_call, mut last_ret) = (0, 0);
    let mut crashed_calls: Vec<u32> = Vec::new();
    for index in reader.partition.operations {
        let operation = reader.operation(*index);
        let row = reader.row(&operation);
        let call = operation.call().0 + 1;
        survey.sorted &= last_call < call;
        last_call = call;
        let completed = match row {
            Row::Nothing => continue,
            Row::Foreign => return None,
            Row::Read(value) => {
                survey.span.add(value);
                true
            }
            Row::Write { value, completed } => {
                survey.span.add(value);
                survey.writers += 1;
                completed
            }
            Row::Cas { from, to, completed } => {
                survey.span.add(from);
                survey.span.add(to);
                survey.writers += 1;
                survey.cas += 1;
                completed
            }
            Row::Missed(_) => {
                survey.missed.push(index.0);
                true
            }
        };
        survey.first_rank = survey.first_rank.min(call);
        if completed {
            survey.completed += 1;
            last_ret = last_ret.max(reader.ret(index.0));
        } else {
            crashed_calls.push(call);
        }
    }
    survey.last_rank = last_ret.max(last_call);
    let seen = crashed_calls.iter().filter(|call| **call < last_ret);
    survey.crashed = seen.count() as u64;
    Some(survey)
}

/// Numbers of values. Two writes of one value have two, where it is known which a read means.
pub(super) struct Values {
    numbers: Numbers,
    /// By operation: the number it produces and the number it observes.
    meant: FxHashMap<u32, (u32, u32)>,
    fresh: u32,
}

impl Values {
    pub(super) fn new(survey: &Survey) -> Values {
        let distinct = survey.writers + 1;
        let numbers = Numbers::new(survey.span, distinct.max(survey.completed as usize / 2));
        Values { numbers, meant: FxHashMap::default(), fresh: 0 }
    }

    /// The same with what operations on repeated values mean: numbers from those given on.
    pub(super) fn with_meanings(self, meant: FxHashMap<u32, (u32, u32)>, fresh: u32) -> Values {
        Values { meant, fresh, ..self }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.numbers.len().max(self.fresh)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.numbers.bytes() + 20 * self.meant.capacity() as u64
    }

    /// The number of the initial value is 0.
    pub(super) fn take_initial(&mut self, initial: Code) {
        if initial == Code::PENDING {
            self.numbers.skip();
        } else {
            self.numbers.number(initial);
        }
    }

    /// The value that the operation at `index` writes; a new one, unless meanings were given.
    #[inline]
    pub(super) fn written(&mut self, index: u32, code: Code) -> u32 {
        if self.meant.is_empty() {
            return self.numbers.number(code);
        }
        self.meant.get(&index).map_or_else(|| self.numbers.get(code), |(produced, _)| *produced)
    }

    /// The value that the operation at `index` saw; a new one, unless meanings were given.
    #[inline]
    pub(super) fn read(&mut self, index: u32, code: Code) -> u32 {
        if self.meant.is_empty() {
            return self.numbers.number(code);
        }
        self.observed(index, code)
    }

    /// The number that operations without a meaning of their own have for `code`.
    pub(super) fn plain(&self, code: Code) -> u32 {
        self.numbers.get(code)
    }

    /// The value that the operation at `index` writes.
    pub(super) fn produced(&self, index: u32, code: Code) -> u32 {
        self.meant.get(&index).map_or_else(|| self.numbers.get(code), |(produced, _)| *produced)
    }

    /// The value that the operation at `index` saw.
    #[inline]
    pub(super) fn observed(&self, index: u32, code: Code) -> u32 {
        if self.meant.is_empty() {
            return self.numbers.get(code);
        }
        self.meant.get(&index).map_or_else(|| self.numbers.get(code), |(_, observed)| *observed)
    }
}
