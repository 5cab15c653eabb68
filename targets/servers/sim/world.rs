//! The cluster, its network, and the run of virtual time.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::clients::{Client, Keys, Outcome, Record};
use super::disk::SimDisk;
use super::faults::{Package, What, pick, within};
use super::invariants::Invariants;
use crate::bugs::BugSet;
use crate::engine::{Effect, Engine, Event, Packet, Reply};
use crate::raft::Config;

/// How often a server looks at its clock, in milliseconds.
const TICK_MS: u64 = 10;

/// One simulated run.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Of everything random.
    pub seed: u64,
    /// Servers.
    pub nodes: usize,
    /// Bugs that are on.
    pub bugs: BugSet,
    /// Clients pinned to each server.
    pub clients_per_node: usize,
    /// Mean pause of a client between operations, in milliseconds.
    pub think_ms: u64,
    /// A client gives up after this many milliseconds.
    pub deadline_ms: u64,
    /// Registers in use at one time.
    pub keys: usize,
    /// Operations per register before it is retired, on average.
    pub ops_per_key: u64,
    /// Length of the load, in virtual milliseconds.
    pub length_ms: u64,
    /// Shortest and longest way of a packet. Unequal ends reorder packets.
    pub delay_ms: (u64, u64),
    /// Of 1,000 Raft messages, how many are lost, and how many come twice, the second time late.
    pub lose_and_repeat: (u64, u64),
    /// Snapshot after so many entries.
    pub snapshot_every: u64,
    /// Faults.
    pub faults: Vec<Package>,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig {
            seed: 1,
            nodes: 5,
            bugs: BugSet::default(),
            clients_per_node: 2,
            think_ms: 20,
            deadline_ms: 1000,
            keys: 5,
            ops_per_key: 60,
            length_ms: 10_000,
            delay_ms: (1, 2),
            lose_and_repeat: (0, 0),
            snapshot_every: 1000,
            faults: Vec::new(),
        }
    }
}

/// What a run left behind.
#[derive(Debug)]
pub struct Finished {
    /// What the clients saw.
    pub records: Vec<Record>,
    /// Terms in which somebody led, at most.
    pub last_term: u64,
    /// Snapshots that followers took over.
    pub installed: u64,
    /// Whether all servers hold equal registers after the quiet time.
    pub converged: bool,
}

/// What happens at an instant.
#[derive(Debug)]
enum Happening {
    Tick { node: usize, boot: u64 },
    Arrives { node: usize, boot: u64, event: Event },
    Replied { token: u64, reply: Reply },
    Ask { client: usize },
    GivesUp { client: usize, token: u64 },
    Breaks { package: usize },
    Heals { window: usize },
}

/// A fault in force.
#[derive(Debug)]
enum Window {
    Cuts(Vec<(usize, usize)>),
    Down(Vec<usize>),
    Paused(Vec<usize>),
}

struct Server {
    disk: SimDisk,
    engine: Option<Engine<SimDisk>>,
    boot: u64,
    holds_down: u32,
    pauses: u32,
    inbox: Vec<Event>,
}

struct World {
    config: SimConfig,
    rng: ChaCha8Rng,
    now: u64,
    sequence: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    servers: Vec<Server>,
    cuts: BTreeMap<(usize, usize), u32>,
    windows: Vec<(usize, Window)>,
    clients: Vec<Client>,
    keys: Keys,
    waiting: BTreeMap<u64, usize>,
    records: Vec<Record>,
    invariants: Invariants,
    installed: u64,
    quiet: bool,
}

/// Runs one simulation to its end.
///
/// # Panics
/// When a clean cluster breaks a promise of Raft: that is what simulations are for.
pub fn run(config: &SimConfig) -> Finished {
    let mut world = World::new(config.clone());
    world.until(config.length_ms);
    world.calm();
    world.until(config.length_ms + 5000);
    world.finish()
}

impl World {
    fn new(config: SimConfig) -> World {
        let clients = config.nodes * config.clients_per_node;
        let mut world = World {
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            now: 0,
            sequence: 0,
            agenda: BTreeMap::new(),
            servers: Vec::new(),
            cuts: BTreeMap::new(),
            windows: Vec::new(),
            clients: (0..clients).map(|i| Client { node: i % config.nodes, open: None }).collect(),
            keys: Keys::new(config.keys, config.ops_per_key),
            waiting: BTreeMap::new(),
            records: Vec::new(),
            invariants: Invariants::new(config.nodes),
            installed: 0,
            quiet: false,
            config,
        };
        for node in 0..world.config.nodes {
            world.servers.push(Server {
                disk: SimDisk::default(),
                engine: None,
                boot: 0,
                holds_down: 0,
                pauses: 0,
                inbox: Vec::new(),
            });
            world.start(node);
        }
        for client in 0..clients {
            world.after((1000, 1100), Happening::Ask { client });
        }
        for package in 0..world.config.faults.len() {
            let recover = world.config.faults[package].recover;
            world.after(recover, Happening::Breaks { package });
        }
        world
    }

    fn after(&mut self, range: (u64, u64), happening: Happening) {
        let at = self.now + within(&mut self.rng, range);
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), happening);
    }

    fn until(&mut self, end: u64) {
        while let Some(next) = self.agenda.first_entry() {
            if next.key().0 > end {
                break;
            }
            let ((at, _), happening) = next.remove_entry();
            self.now = at;
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick { node, boot } => {
                if self.servers[node].boot == boot {
                    self.after((TICK_MS, TICK_MS), Happening::Tick { node, boot });
                    self.arrive(node, Event::Tick);
                }
            }
            Happening::Arrives { node, boot, event } => {
                let cut = match &event {
                    Event::Packet { from, .. } => self.cuts.contains_key(&(*from, node)),
                    Event::Tick | Event::Client { .. } => false,
                };
                if !cut && self.servers[node].boot == boot {
                    self.arrive(node, event);
                }
            }
            Happening::Replied { token, reply } => self.complete(token, Some(reply)),
            Happening::GivesUp { client, token } => {
                if self.clients[client].open.is_some_and(|(open, _)| open == token) {
                    self.complete(token, None);
                }
            }
            Happening::Ask { client } => self.ask(client),
            Happening::Breaks { package } => self.break_something(package),
            Happening::Heals { window } => self.heal(window),
        }
    }

    fn start(&mut self, node: usize) {
        let config = Config {
            id: node,
            members: self.config.nodes,
            election_ms: (300, 600),
            heartbeat_ms: 50,
            seed: self.rng.next_u64(),
            bugs: self.config.bugs,
        };
        let server = &mut self.servers[node];
        let disk = server.disk.clone();
        let engine = Engine::open(config, disk, self.config.snapshot_every, self.now);
        server.engine = Some(engine.expect("a crash never leaves a disk that does not open"));
        server.boot += 1;
        let boot = server.boot;
        self.invariants.restarted(node);
        self.after((0, TICK_MS), Happening::Tick { node, boot });
    }

    /// Lets a server handle an event, or keeps it until the server runs again.
    fn arrive(&mut self, node: usize, event: Event) {
        let server = &mut self.servers[node];
        if server.pauses > 0 {
            if event != Event::Tick {
                server.inbox.push(event);
            }
            return;
        }
        self.handle(node, vec![event]);
    }

    fn handle(&mut self, node: usize, events: Vec<Event>) {
        let server = &mut self.servers[node];
        let Some(engine) = &mut server.engine else { return };
        let mut effects = Vec::new();
        let result = engine.handle(self.now, events, &mut |effect| effects.push(effect));
        if result.is_ok() && !self.config.bugs.any() {
            self.invariants.look(node, engine);
        }
        for effect in effects {
            self.carry_out(node, effect);
        }
        if result.is_err() {
            self.crash(node);
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Reply { token, reply } => {
                self.after(self.config.delay_ms, Happening::Replied { token, reply });
            }
            Effect::Send { to, packet } => {
                let boot = self.servers[to].boot;
                let (lose, repeat) = self.config.lose_and_repeat;
                let luck = self.rng.next_u64() % 1000;
                let raft = matches!(packet, Packet::Raft(_));
                let event = Event::Packet { from: node, packet };
                let arrives = |event| Happening::Arrives { node: to, boot, event };
                // The link repeats nothing; Raft must bear it all the same.
                if raft && luck >= 1000 - repeat {
                    self.after((1, 500), arrives(event.clone()));
                }
                if !raft || luck >= lose {
                    self.after(self.config.delay_ms, arrives(event));
                }
            }
        }
    }

    fn ask(&mut self, client: usize) {
        if self.quiet {
            return;
        }
        let node = self.clients[client].node;
        if self.servers[node].engine.is_none() {
            return self.after((50, 100), Happening::Ask { client });
        }
        let (key, ask) = self.keys.ask(&mut self.rng);
        let record =
            Record { node, key, ask, start: self.now, end: u64::MAX, outcome: Outcome::Info };
        let request = record.request();
        self.sequence += 1;
        let token = self.sequence;
        self.clients[client].open = Some((token, self.records.len()));
        self.waiting.insert(token, client);
        self.records.push(record);
        let deadline = self.config.deadline_ms;
        self.after((deadline, deadline), Happening::GivesUp { client, token });
        let boot = self.servers[node].boot;
        let event = Event::Client { token, request };
        self.after(self.config.delay_ms, Happening::Arrives { node, boot, event });
    }

    fn complete(&mut self, token: u64, reply: Option<Reply>) {
        let Some(client) = self.waiting.remove(&token) else { return };
        if let Some((_, record)) = self.clients[client].open.take() {
            self.records[record].complete(self.now, reply.as_ref());
            self.keys.saw(&self.records[record], reply.as_ref());
        }
        let refused = matches!(reply, Some(Reply::NotLeader { .. }));
        let think = if refused { 20 } else { self.config.think_ms };
        self.after((1, 2 * think), Happening::Ask { client });
    }

    fn leaders(&self) -> Vec<usize> {
        let leads = |node: &usize| {
            self.servers[*node].engine.as_ref().is_some_and(|engine| engine.raft().is_leader())
        };
        (0..self.servers.len()).filter(leads).collect()
    }

    fn break_something(&mut self, package: usize) {
        let Package { what, hold, recover } = self.config.faults[package].clone();
        if self.quiet {
            return;
        }
        let (n, leaders) = (self.config.nodes, self.leaders());
        let rng = &mut self.rng;
        let window = match &what {
            What::Partition(shapes) => Window::Cuts(pick(rng, shapes).draw(rng, n, &leaders)),
            What::Kill(choices) | What::PowerCut(choices) => {
                Window::Down(pick(rng, choices).draw(rng, n, &leaders))
            }
            What::Pause(choices) => Window::Paused(pick(rng, choices).draw(rng, n, &leaders)),
        };
        match &window {
            Window::Cuts(cuts) => {
                for cut in cuts {
                    *self.cuts.entry(*cut).or_default() += 1;
                }
            }
            Window::Down(nodes) => {
                for node in nodes {
                    self.servers[*node].holds_down += 1;
                    match what {
                        What::PowerCut(_) => {
                            let left = (self.rng.next_u64() % 8) as u32;
                            self.servers[*node].disk.crash_after(left);
                        }
                        What::Partition(_) | What::Kill(_) | What::Pause(_) => self.crash(*node),
                    }
                }
            }
            Window::Paused(nodes) => {
                for node in nodes {
                    self.servers[*node].pauses += 1;
                }
            }
        }
        self.windows.push((package, window));
        let window = self.windows.len() - 1;
        self.after(hold, Happening::Heals { window });
        let again = (recover.0 + hold.1, recover.1 + hold.1);
        self.after(again, Happening::Breaks { package });
    }

    fn heal(&mut self, window: usize) {
        let none = Window::Cuts(Vec::new());
        match std::mem::replace(&mut self.windows[window].1, none) {
            Window::Cuts(cuts) => {
                for cut in cuts {
                    let count = self.cuts.get_mut(&cut).expect("cut by this window");
                    *count -= 1;
                    if *count == 0 {
                        self.cuts.remove(&cut);
                    }
                }
            }
            Window::Down(nodes) => {
                for node in nodes {
                    self.crash(node);
                    self.servers[node].holds_down -= 1;
                    if self.servers[node].holds_down == 0 {
                        let Server { disk, .. } = &self.servers[node];
                        disk.crash(&mut self.rng);
                        self.start(node);
                    }
                }
            }
            Window::Paused(nodes) => {
                for node in nodes {
                    self.servers[node].pauses -= 1;
                    if self.servers[node].pauses == 0 {
                        let inbox = std::mem::take(&mut self.servers[node].inbox);
                        self.handle(node, inbox);
                    }
                }
            }
        }
    }

    /// The process is gone; its clients see their connections break.
    fn crash(&mut self, node: usize) {
        let server = &mut self.servers[node];
        if let Some(engine) = server.engine.take() {
            self.installed += engine.status().installed;
        }
        server.boot += 1;
        server.inbox.clear();
        let open: Vec<u64> = (self.clients.iter())
            .filter(|client| client.node == node)
            .filter_map(|client| client.open.map(|(token, _)| token))
            .collect();
        for token in open {
            self.complete(token, None);
        }
    }

    /// Ends every fault and the load.
    fn calm(&mut self) {
        for window in 0..self.windows.len() {
            self.heal(window);
        }
        self.quiet = true;
        self.config.lose_and_repeat = (0, 0);
    }

    fn finish(self) -> Finished {
        let up: Vec<&Engine<SimDisk>> =
            self.servers.iter().filter_map(|server| server.engine.as_ref()).collect();
        if !self.config.bugs.any() {
            Invariants::logs_match(&up);
        }
        let all_up = up.len() == self.servers.len();
        let alike = up.windows(2).all(|pair| {
            pair[0].kv() == pair[1].kv() && pair[0].status().applied == pair[1].status().applied
        });
        let installed = up.iter().map(|engine| engine.status().installed).sum::<u64>();
        Finished {
            last_term: up.iter().map(|engine| engine.raft().term()).max().unwrap_or(0),
            installed: self.installed + installed,
            converged: all_up && alike,
            records: self.records,
        }
    }
}
