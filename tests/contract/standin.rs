//! The targets that are the stand-in: both kinds of instances, and the habits of newer servers.

use std::future::pending;

use larm::lxd::ClientOptions;

use crate::suite::{Environment, Kind};
use crate::support::standin::{Shape, StandIn, StandInOptions};

async fn on(case: &str, shape: Shape, kind: Kind) -> Option<Environment> {
    let standin = StandIn::start(StandInOptions { shape, ..StandInOptions::default() }).unwrap();
    let image = match kind {
        Kind::Container => "larm-debian12",
        Kind::VirtualMachine => "larm-debian12-vm",
    };
    let options = ClientOptions::new(standin.socket());
    let mut environment = Environment::new(options, image.to_owned(), kind, "c-", case).await;
    environment.sizes_terminals = false;
    // It ends with the test's runtime.
    environment.tracker.spawn(async move {
        let _standin = standin;
        pending::<()>().await;
    });
    Some(environment)
}

mod container {
    async fn environment(case: &str) -> Option<super::Environment> {
        super::on(case, super::Shape::Lxd50, super::Kind::Container).await
    }

    on_target!(crate::standin::container::environment);
}

mod virtual_machine {
    async fn environment(case: &str) -> Option<super::Environment> {
        super::on(case, super::Shape::Lxd50, super::Kind::VirtualMachine).await
    }

    on_target!(crate::standin::virtual_machine::environment);
}

mod newer {
    async fn environment(case: &str) -> Option<super::Environment> {
        super::on(case, super::Shape::Newer, super::Kind::Container).await
    }

    on_target!(crate::standin::newer::environment);
}
