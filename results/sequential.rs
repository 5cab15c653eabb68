//! Whether something fails often, from as few trials as will do.

/// Wald's sequential probability ratio test (Ann. Math. Statist. 16, 1945) of a rate: at most
/// `seldom`, or at least `often`. Each is wrongly said with a probability of at most `error`, as
/// far as the trials are independent and nobody ends them early.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sequential {
    seldom: f64,
    often: f64,
    error: f64,
    failed: u64,
    trials: u64,
}

/// What the trials so far say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// It fails often.
    Often,
    /// It fails seldom, or never.
    Seldom,
    /// Not enough.
    Open,
}

impl Sequential {
    /// `None` unless `0 < seldom < often < 1` and `0 < error < 0.5`.
    pub fn new(seldom: f64, often: f64, error: f64) -> Option<Sequential> {
        let sound = 0.0 < seldom && seldom < often && often < 1.0 && 0.0 < error && error < 0.5;
        sound.then_some(Sequential { seldom, often, error, failed: 0, trials: 0 })
    }

    /// One more trial, and whether it failed.
    pub fn add(&mut self, failed: bool) {
        self.trials += 1;
        self.failed += u64::from(failed);
    }

    /// Trials that failed, and all.
    pub fn counts(&self) -> (u64, u64) {
        (self.failed, self.trials)
    }

    /// What is said by now.
    pub fn said(&self) -> Said {
        let Sequential { seldom, often, error, failed, trials } = *self;
        let passed = (trials - failed) as f64;
        let ratio =
            failed as f64 * (often / seldom).ln() + passed * ((1.0 - often) / (1.0 - seldom)).ln();
        let bound = ((1.0 - error) / error).ln();
        match ratio {
            _ if ratio >= bound => Said::Often,
            _ if ratio <= -bound => Said::Seldom,
            _ => Said::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, Sequential};

    fn said(trials: &[bool]) -> Said {
        let mut test = Sequential::new(0.1, 0.5, 0.05).expect("rates");
        trials.iter().for_each(|failed| test.add(*failed));
        test.said()
    }

    #[test]
    fn few_trials_say_it_where_all_are_alike() {
        assert_eq!(said(&[]), Said::Open);
        assert_eq!(said(&[true]), Said::Open);
        assert_eq!(said(&[true, true]), Said::Often);
        assert_eq!(said(&[false; 5]), Said::Open);
        assert_eq!(said(&[false; 6]), Said::Seldom);
        assert_eq!(said(&[true, false, false, true]), Said::Open);
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        for (seldom, often, error) in
            [(0.0, 0.5, 0.1), (0.5, 0.5, 0.1), (0.1, 1.0, 0.1), (0.1, 0.5, 0.5), (0.1, 0.5, 0.0)]
        {
            assert_eq!(Sequential::new(seldom, often, error), None);
        }
    }

    /// Errors of both kinds, by the exact probability of every course of at most 60 trials.
    #[test]
    fn it_is_wrong_as_seldom_as_it_promises() {
        let wrong = |rate: f64, wrong: Said| {
            // By number of failures: how probable it is to be there without having said anything.
            let mut open = vec![1.0];
            let mut said_wrong = 0.0;
            for trials in 1..=60_u64 {
                let mut next = vec![0.0; open.len() + 1];
                for (failed, there) in open.iter().enumerate() {
                    for (more, way) in [(0, 1.0 - rate), (1, rate)] {
                        let failed = failed + more;
                        let test = Sequential {
                            failed: failed as u64,
                            trials,
                            ..Sequential::new(0.1, 0.5, 0.05).expect("rates")
                        };
                        match test.said() {
                            Said::Open => next[failed] += there * way,
                            said => said_wrong += there * way * f64::from(u8::from(said == wrong)),
                        }
                    }
                }
                open = next;
            }
            let left: f64 = open.iter().sum();
            assert!(left < 1e-3, "{left} undecided after 60 trials");
            said_wrong
        };
        let (often, seldom) = (wrong(0.1, Said::Often), wrong(0.5, Said::Seldom));
        println!("wrongly often {often:.4}, wrongly seldom {seldom:.4}");
        assert!(often <= 0.05 && seldom <= 0.05);
    }
}
