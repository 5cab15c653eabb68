//! Mistakes that one could make here, for the tests to find.

/// Mistakes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Trap {
    /// Two transactions that overwrite what both read follow each other in some order.
    LostUpdateIgnored,
    /// Two versions of a key read by one transaction are two reads like others.
    ReadsMayDiffer,
    /// Blocks are made where lost updates are allowed.
    PrefixContracts,
    /// The first versions are not before the others.
    InitialAnywhere,
    /// Who read a version may come after who overwrote it.
    ReadersForgotten,
    /// Who read a version inside a block may come after who overwrote it.
    ReadersInsideForgotten,
    /// Writers of a key may overlap at snapshot isolation.
    WritersOverlap,
    /// A moment is before those who were invoked at it.
    MomentTooEarly,
    /// Who begins has not seen what was committed before in its session.
    SessionsByBegin,
    /// Clocks count the transaction after the last one that was seen.
    ClockTooFar,
    /// What must come after is the second of a row.
    SecondOfRow,
    /// A pair is open only with the first of a row.
    OpenEndsEarly,
    /// A clause lacks a choice of its circle.
    ClauseTooShort,
    /// An edge against the order moves only what is ahead.
    BehindForgotten,
    /// Taking back leaves the edges.
    EdgesStay,
}

#[cfg(test)]
impl Trap {
    pub(super) const ALL: [Trap; 15] = [
        Trap::LostUpdateIgnored,
        Trap::ReadsMayDiffer,
        Trap::PrefixContracts,
        Trap::InitialAnywhere,
        Trap::ReadersForgotten,
        Trap::ReadersInsideForgotten,
        Trap::WritersOverlap,
        Trap::MomentTooEarly,
        Trap::SessionsByBegin,
        Trap::ClockTooFar,
        Trap::SecondOfRow,
        Trap::OpenEndsEarly,
        Trap::ClauseTooShort,
        Trap::BehindForgotten,
        Trap::EdgesStay,
    ];
}

pub(crate) type Planted = crate::planted::Planted<Trap>;
