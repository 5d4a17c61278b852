//! `refrain stats`, `refrain cache list | search | purge`: from arguments to the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use refrain::{
    console::{self, ConsoleError, Listing, Purge, Screen, Search, Selection},
    transfer::Gateway,
};
use terminal_size::{Width, terminal_size_of};

use super::arguments::{Selected, Sort};

/// What is to be shown or done.
#[derive(Debug)]
pub(crate) enum Wanted {
    Stats,
    List {
        selected: Selected,
        text: Option<String>,
        sort: Option<Sort>,
        limit: u32,
        ids: bool,
    },
    Search {
        selected: Selected,
        words: Vec<String>,
        is_text: bool,
        limit: u32,
        ids: bool,
    },
    Purge {
        selected: Selected,
        everything: bool,
        yes: bool,
        dry_run: bool,
    },
}

/// Shows or does it. Whoever closes the output early has seen enough.
pub(crate) async fn run(gateway: &Gateway, wanted: Wanted, json: bool) -> Result<(), ConsoleError> {
    let mut out = io::stdout();
    let width = terminal_size_of(&out).map(|(Width(width), _)| usize::from(width));
    let screen = Screen { width, json };
    let done = asked(gateway, wanted, screen, &mut out).await;
    match done {
        Err(error) if error.is_closed() => Ok(()),
        done => done,
    }
}

async fn asked(
    gateway: &Gateway,
    wanted: Wanted,
    screen: Screen,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    match wanted {
        Wanted::Stats => console::stats(gateway, screen, out).await,
        Wanted::List {
            selected,
            text,
            sort,
            limit,
            ids,
        } => {
            let listing = Listing {
                text,
                sort: sort.map(|sort| sort.as_str().to_owned()),
                limit,
                ids,
            };
            console::list(gateway, &selection(&selected, false), &listing, screen, out).await
        }
        Wanted::Search {
            selected,
            words,
            is_text,
            limit,
            ids,
        } => {
            let (selection, text) = (selection(&selected, false), words.join(" "));
            if is_text {
                let listing = Listing {
                    text: Some(text),
                    sort: None,
                    limit,
                    ids,
                };
                return console::list(gateway, &selection, &listing, screen, out).await;
            }
            let search = Search { text, limit, ids };
            console::search(gateway, &selection, &search, screen, out).await
        }
        Wanted::Purge {
            selected,
            everything,
            yes,
            dry_run,
        } => {
            let purge = match (dry_run, yes) {
                (true, _) => Purge::DryRun,
                (false, true) => Purge::Agreed,
                (false, false) => Purge::Ask,
            };
            let selection = selection(&selected, everything);
            console::purge(gateway, &selection, purge, screen, out, agree).await
        }
    }
}

/// Whether somebody at the terminal agrees.
fn agree(what: &str) -> Result<bool, ConsoleError> {
    let mut input = io::stdin().lock();
    if !io::stdin().is_terminal() {
        return Err(ConsoleError::Usage(
            "there is no terminal to ask at: --yes purges, --dry-run says what would go",
        ));
    }
    write!(io::stderr(), "{what}. Go on? [y/N] ")?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn selection(selected: &Selected, everything: bool) -> Selection {
    let Selected {
        id,
        tag,
        namespace,
        model,
        client,
        older_than,
        younger_than,
        prefix,
        generation_below,
    } = selected;
    let generation = generation_below.map(|generation| generation.to_string());
    let all = [
        ("id", id),
        ("tag", tag),
        ("namespace", namespace),
        ("model", model),
        ("client", client),
        ("older_than", older_than),
        ("younger_than", younger_than),
        ("prompt_prefix", prefix),
        ("generation_below", &generation),
    ];
    let conditions = all.into_iter();
    Selection {
        everything,
        conditions: conditions
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect(),
    }
}
