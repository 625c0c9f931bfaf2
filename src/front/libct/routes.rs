//! `routes`.

use super::networks::address;
use super::path::Quoted;
use super::read::{File, Read};
use super::table::{Keys, Slot, keys};
use crate::inet::Address;
use crate::plan::{FEW, Route};

pub(super) const ROUTE: &Keys = &keys!(
    [
        all("interface_name", |f| Slot::Interface(&mut f.route.interface_name)),
        // nsinit's own.
        all("on_link", |f| Slot::Flag(&mut f.route.on_link)),
    ],
    [
        all("destination", |f| f.destination()),
        all("source", |f| f.address("an address", true, true).map(|s| f.route.source = s)),
        all("gateway", |f| f.address("an address", false, true).map(|s| f.route.gateway = s)),
    ]
);

impl File<'_> {
    pub fn routes(&mut self) -> Read {
        self.plan.routes.clear();
        self.list(|f| f.route())
    }

    fn route(&mut self) -> Read {
        self.route = Route::NOTHING;
        self.member("routes", self.plan.routes.len(), ROUTE)?;
        self.plan.routes.push(self.route).map_err(|_| self.full(FEW, "routes"))
    }

    /// In 2014 "10.7.0.9/16" passed for 10.7.0.0/16; the kernel takes it for a mistake.
    fn destination(&mut self) -> Read {
        let Some(address) = self.address("a network with a prefix", true, false)? else {
            return Ok(());
        };
        let network = address.network();
        if network.ip != address.ip {
            let text = Quoted(address.text);
            self.warn(format_args!("{text} has bits beyond its prefix: they are left out"));
        }
        self.route.destination = Some(network);
        Ok(())
    }

    /// An address of a route; an empty one is none.
    fn address(&mut self, what: &str, with: bool, without: bool) -> Read<Option<Address>> {
        let Some(text) = self.text_or_none()? else { return Ok(None) };
        match address(text, with, without) {
            None => Err(self.composed(format_args!("{} is not {what}", Quoted(text)))),
            found => Ok(found),
        }
    }
}
