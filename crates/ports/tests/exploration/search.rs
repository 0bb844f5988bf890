//! Every order in which a script can run.

use crate::script::{Choice, Run, Script};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

const MAX_PLACES: usize = 8;

/// More than any run takes that ends.
const MAX_STEPS: usize = 500;

/// More take too much memory.
const MAX_STATES: usize = 40_000_000;

/// What every place has seen, in order: for each place the number of its history.
type State = [u32; MAX_PLACES];

/// Numbers of histories: of one that goes on from another with a choice.
#[derive(Default)]
struct Histories(HashMap<(u32, Choice), u32>);

impl Histories {
    fn after(&mut self, state: State, place: usize, choice: Choice) -> State {
        let next = self.0.len() as u32 + 1;
        let mut after = state;
        after[place] = *self.0.entry((state[place], choice)).or_insert(next);
        after
    }
}

/// What a script can come to.
#[derive(Default)]
struct Search {
    histories: Histories,
    numbers: HashMap<State, u32>,
    /// Every step, with how many choices lead to where it begins, and the states that it leads from and to.
    steps: Vec<(usize, u32, u32)>,
    /// States in which nothing can happen any more.
    outcomes: Vec<u32>,
}

/// Runs scripts in every order, or the one that `MOJO_SIM_REPLAY` names in the order that it says.
pub fn explore(name: &str, scripts: Vec<Script>) {
    if let Ok(replay) = std::env::var("MOJO_SIM_REPLAY") {
        let (replayed, schedule) = replay.rsplit_once(": ").expect("a script and a schedule");
        let schedule = schedule.split_whitespace().map(|choice| choice.parse().expect("a choice"));
        if let Some(script) = scripts.iter().find(|script| script.to_string() == replayed) {
            repeat(script, schedule);
        }
        return;
    }
    if scripts.is_empty() {
        return;
    }
    let begin = Instant::now();
    let (mut num_states, mut num_outcomes, mut num_schedules) = (0, 0, 0.0);
    for script in &scripts {
        let mut search = Search::default();
        search.run(script);
        num_states += search.numbers.len();
        num_outcomes += search.outcomes.len();
        num_schedules += search.count_schedules();
    }
    let (num_scripts, seconds) = (scripts.len(), begin.elapsed().as_secs_f64());
    let line = format!(
        "{name:50} {num_scripts:>5} scripts {num_states:>9} states {num_outcomes:>8} outcomes {num_schedules:>8.0e} schedules {seconds:>7.2} s\n",
    );
    // Not through the macros, whose output is kept back where tests succeed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn repeat(script: &Script, schedule: impl Iterator<Item = Choice>) {
    let mut run = Run::new(script);
    for choice in schedule {
        eprintln!("{choice:8} {}", run.describe(choice));
        run.take(choice);
        run.check();
    }
    if run.choices().is_empty() {
        run.finish();
    }
}

impl Search {
    fn run(&mut self, script: &Script) {
        let start = State::default();
        self.numbers.insert(start, 0);
        let mut pending = vec![(Vec::new(), start)];
        while let Some((mut schedule, state)) = pending.pop() {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.follow(script, &mut schedule, state, &mut pending)));
            if let Err(panic) = outcome {
                let choices: Vec<_> = schedule.iter().map(Choice::to_string).collect();
                eprintln!("failed with MOJO_SIM_REPLAY='{script}: {}'", choices.join(" "));
                resume_unwind(panic);
            }
        }
    }

    /// Goes on from a state, to which a schedule leads, until there is nothing new; puts off all other ways.
    fn follow(
        &mut self,
        script: &Script,
        schedule: &mut Vec<Choice>,
        mut state: State,
        pending: &mut Vec<(Vec<Choice>, State)>,
    ) {
        let mut run = Run::new(script);
        schedule.iter().for_each(|choice| run.take(*choice));
        run.check();
        loop {
            let number = self.numbers[&state];
            let choices = run.choices();
            if choices.is_empty() {
                self.outcomes.push(number);
                return run.finish();
            }
            assert!(schedule.len() < MAX_STEPS, "this never ends");
            assert!(self.numbers.len() < MAX_STATES, "too many states");
            let mut next = None;
            for choice in choices {
                let after = self.histories.after(state, run.place(choice), choice);
                let fresh = self.numbers.len() as u32;
                let entry = self.numbers.entry(after);
                let is_fresh = matches!(entry, Entry::Vacant(_));
                self.steps.push((schedule.len(), number, *entry.or_insert(fresh)));
                if is_fresh && let Some((choice, after)) = next.replace((choice, after)) {
                    let mut other = schedule.clone();
                    other.push(choice);
                    pending.push((other, after));
                }
            }
            let Some((choice, after)) = next else { return };
            schedule.push(choice);
            run.take(choice);
            run.check();
            state = after;
        }
    }

    /// How many different sequences of choices the states stand for.
    fn count_schedules(&mut self) -> f64 {
        let mut ways = vec![0.0; self.numbers.len()];
        ways[0] = 1.0;
        self.steps.sort_unstable();
        for (_, from, to) in &self.steps {
            ways[*to as usize] += ways[*from as usize];
        }
        self.outcomes.iter().map(|end| ways[*end as usize]).sum()
    }
}
