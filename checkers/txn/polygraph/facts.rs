//! What a polygraph is made of: who read which version of whom, who wrote what, in which session
//! and when. Values are gone: a version is its writer.

/// The initial transaction: before every other, it wrote the first version of every key.
pub(crate) const INITIAL: u32 = u32::MAX;

/// No moment: a transaction whose end nobody saw.
pub(crate) const NEVER: u64 = u64::MAX;

/// Transactions over registers. Those of one session have numbers that follow each other, in the
/// order of the session. What did not happen has no reads and no writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// By session: its first transaction; and one more, the number of transactions.
    pub(crate) sessions: Vec<u32>,
    /// Number of keys.
    pub(crate) keys: u32,
    /// By transaction: when it was invoked and when it completed, as ranks of events, or
    /// [`NEVER`]. Empty if nobody knows.
    pub(crate) times: Vec<(u64, u64)>,
    read_start: Vec<u32>,
    /// Key and writer of the version that was read.
    reads: Vec<(u32, u32)>,
    write_start: Vec<u32>,
    writes: Vec<u32>,
}

impl Facts {
    /// No transaction yet, of `keys` keys.
    pub(crate) fn new(keys: u32) -> Facts {
        Facts {
            sessions: vec![0],
            keys,
            read_start: vec![0],
            write_start: vec![0],
            ..Facts::default()
        }
    }

    /// One more transaction: external reads as key and writer, keys it wrote, each once.
    pub(crate) fn push(
        &mut self,
        reads: impl IntoIterator<Item = (u32, u32)>,
        writes: impl IntoIterator<Item = u32>,
    ) {
        self.reads.extend(reads);
        self.writes.extend(writes);
        self.read_start.push(self.reads.len() as u32);
        self.write_start.push(self.writes.len() as u32);
    }

    /// The session ends; what is pushed next belongs to another one.
    pub(crate) fn end_session(&mut self) {
        self.sessions.push(self.len());
    }

    /// Number of transactions.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.read_start.len() as u32 - 1
    }

    /// Key and writer of each version it read.
    #[inline]
    pub(crate) fn reads(&self, txn: u32) -> &[(u32, u32)] {
        let (from, to) = (self.read_start[txn as usize], self.read_start[txn as usize + 1]);
        &self.reads[from as usize..to as usize]
    }

    /// Keys it wrote.
    #[inline]
    pub(crate) fn writes(&self, txn: u32) -> &[u32] {
        let (from, to) = self.write_range(txn);
        &self.writes[from as usize..to as usize]
    }

    /// Its writes' places among all.
    #[inline]
    pub(super) fn write_range(&self, txn: u32) -> (u32, u32) {
        (self.write_start[txn as usize], self.write_start[txn as usize + 1])
    }

    /// The place of a transaction's write of a key among all writes.
    #[inline]
    pub(super) fn place(&self, txn: u32, key: u32) -> Option<u32> {
        let (from, _) = self.write_range(txn);
        let at = self.writes(txn).iter().position(|written| *written == key)?;
        Some(from + at as u32)
    }

    /// Whose write is at a place.
    pub(super) fn writer_at(&self, place: u32) -> u32 {
        // Transactions without writes begin where the next one does.
        self.write_start.partition_point(|start| *start <= place) as u32 - 1
    }

    /// Number of writes.
    pub(super) fn writes_len(&self) -> u32 {
        self.writes.len() as u32
    }

    /// By transaction: the number of its session.
    pub(crate) fn session_of(&self) -> Vec<u32> {
        let mut of = vec![0; self.len() as usize];
        for (session, ends) in (0..).zip(self.sessions.windows(2)) {
            of[ends[0] as usize..ends[1] as usize].fill(session);
        }
        of
    }

    /// Only these transactions, and of their reads only those of each other and of the initial
    /// one: whoever holds with all of them holds with these. `kept` is ascending.
    pub(crate) fn only(&self, kept: &[u32]) -> Facts {
        let number = |txn: u32| kept.binary_search(&txn).ok().map(|at| at as u32);
        let mut less = Facts::new(self.keys);
        let mut sessions = self.sessions.windows(2).map(|ends| ends[1]).peekable();
        for txn in kept {
            while sessions.next_if(|end| end <= txn).is_some() {
                less.end_session();
            }
            let reads = self.reads(*txn).iter().filter_map(|(key, source)| match *source {
                INITIAL => Some((*key, INITIAL)),
                source => number(source).map(|source| (*key, source)),
            });
            less.push(reads, self.writes(*txn).iter().copied());
            less.times.extend(self.times.get(*txn as usize));
        }
        less.end_session();
        less
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        let words = self.sessions.len() + self.read_start.len() + self.write_start.len();
        4 * (words + 2 * self.reads.len() + self.writes.len()) as u64 + 16 * self.times.len() as u64
    }
}
