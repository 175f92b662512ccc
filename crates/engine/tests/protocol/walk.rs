//! Visits every state that can be reached, and asks the rules of each.

use crate::{
    cast::{Fact, Flaw, Move, State},
    daemon, faults, proxy,
    rules::{Rule, broken, ended},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    rc::Rc,
};

#[derive(Debug)]
pub struct Violation {
    pub rule: Rule,
    /// From the start, a shortest one.
    pub trace: Vec<Move>,
    pub state: State,
}

#[derive(Debug, Default)]
pub struct Report {
    pub states: usize,
    pub moves: usize,
    pub ends: BTreeMap<Fact, usize>,
    /// The most moves, faults apart, that a route led to a dead instance; all actors' moves count.
    pub longest_outage: usize,
}

pub fn moves(flaw: Option<Flaw>, s: &State) -> Vec<(Move, State)> {
    let mut all = faults::faults(flaw, s);
    all.extend(proxy::moves(flaw, s));
    match s.daemon {
        None => all.push(daemon::starts(s)),
        Some(daemon) => all.extend(daemon::moves(flaw, s, daemon)),
    }
    all
}

pub fn walk(flaw: Option<Flaw>, start: State) -> Result<Report, Box<Violation>> {
    let mut graph = Graph::default();
    graph.add(start, None);
    let mut at = 0;
    while at < graph.states.len() {
        let state = graph.states[at].clone();
        if let Some(rule) = broken(flaw, &state) {
            return Err(Box::new(graph.violation(rule, at)));
        }
        let mut quiet = vec![];
        for (step, to) in moves(flaw, &state) {
            let to = graph.add(to, Some((at, step)));
            graph.moves += 1;
            if !step.is_fault() {
                quiet.push(to);
            }
        }
        if quiet.is_empty() {
            match ended(flaw, &state) {
                Some(rule) => return Err(Box::new(graph.violation(rule, at))),
                None => *graph.ends.entry(state.fact).or_default() += 1,
            }
        }
        graph.quiet.push(quiet);
        at += 1;
    }
    graph.report()
}

#[derive(Default)]
struct Graph {
    states: Vec<Rc<State>>,
    from: Vec<Option<(usize, Move)>>,
    seen: HashMap<Rc<State>, usize>,
    /// Where each state leads with no further fault.
    quiet: Vec<Vec<usize>>,
    moves: usize,
    ends: BTreeMap<Fact, usize>,
}

impl Graph {
    fn add(&mut self, state: State, from: Option<(usize, Move)>) -> usize {
        if let Some(&at) = self.seen.get(&state) {
            return at;
        }
        let (at, state) = (self.states.len(), Rc::new(state));
        self.seen.insert(state.clone(), at);
        self.states.push(state);
        self.from.push(from);
        at
    }

    fn violation(&self, rule: Rule, at: usize) -> Violation {
        let mut trace = vec![];
        let mut here = at;
        while let Some((before, step)) = self.from[here] {
            trace.push(step);
            here = before;
        }
        trace.reverse();
        Violation { rule, trace, state: (*self.states[at]).clone() }
    }

    fn report(self) -> Result<Report, Box<Violation>> {
        let order = self.last_first()?;
        let mut outage = vec![0_usize; self.states.len()];
        for at in order {
            let s = &self.states[at];
            let dead = s.proxy.is_some_and(|it| !s.target(it.force).is_fit());
            if dead {
                outage[at] = 1 + self.quiet[at].iter().map(|&it| outage[it]).max().unwrap_or(0);
            }
        }
        Ok(Report {
            states: self.states.len(),
            moves: self.moves,
            ends: self.ends,
            longest_outage: outage.into_iter().max().unwrap_or(0),
        })
    }

    /// The states, each after all it leads to; fails where the moves between faults have a circle,
    /// for then a run need not end.
    fn last_first(&self) -> Result<Vec<usize>, Box<Violation>> {
        let mut before = vec![vec![]; self.states.len()];
        let mut open: Vec<usize> = self.quiet.iter().map(Vec::len).collect();
        for (at, tos) in self.quiet.iter().enumerate() {
            for &to in tos {
                before[to].push(at);
            }
        }
        let mut order: Vec<usize> = (0..open.len()).filter(|&at| open[at] == 0).collect();
        let mut next = 0;
        while next < order.len() {
            for &at in &before[order[next]] {
                open[at] -= 1;
                if open[at] == 0 {
                    order.push(at);
                }
            }
            next += 1;
        }
        match open.iter().position(|&it| it > 0) {
            Some(at) => Err(Box::new(self.violation(Rule::NeverEnds, at))),
            None => Ok(order),
        }
    }
}

impl Violation {
    pub fn story(&self) -> String {
        let mut story = format!("{:?} after {} moves\n", self.rule, self.trace.len());
        for (at, step) in self.trace.iter().enumerate() {
            let _ = writeln!(story, "  {:2} {step:?}", at + 1);
        }
        story
    }
}
