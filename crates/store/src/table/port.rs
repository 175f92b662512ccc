//! Which port belongs to which service, and the instances that hold it.

use crate::trouble::{Trouble, ours, refused};
use model::{
    id::InstanceId,
    instance::Instance,
    plan::{Plan, Step},
};
use rusqlite::{Connection, Transaction, params};

/// Leases the ports of all instances that the plan starts.
pub fn lease(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), Trouble> {
    let mut ports = vec![];
    for step in &plan.steps {
        let Step::Start { instance } = step else { continue };
        let Some(port) = instance.port else { continue };
        if ports.contains(&(port, &instance.id)) {
            continue;
        }
        if ports.iter().any(|it| it.0 == port) {
            return ours(format!("lease port {port} to two instances of one plan"));
        }
        ports.push((port, &instance.id));
        lease_one(transaction, instance, port)?;
    }
    Ok(())
}

/// All ports that some instance holds, in order.
pub fn leased(connection: &Connection) -> Result<Vec<u16>, Trouble> {
    let mut select = connection.prepare_cached("SELECT port FROM port ORDER BY port")?;
    let ports = select.query_map([], |it| it.get(0))?.collect::<Result<_, _>>()?;
    Ok(ports)
}

/// Ends the leases of these instances; a port that nobody holds any more is free.
pub fn free(transaction: &Transaction<'_>, instances: &[InstanceId]) -> Result<(), Trouble> {
    let mut delete = transaction.prepare_cached("DELETE FROM lease WHERE instance = ?1")?;
    for instance in instances {
        delete.execute([&instance.0])?;
    }
    let held = "DELETE FROM port WHERE NOT EXISTS \
                (SELECT 1 FROM lease WHERE lease.port = port.port)";
    transaction.execute(held, [])?;
    Ok(())
}

fn lease_one(transaction: &Transaction<'_>, instance: &Instance, port: u16) -> Result<(), Trouble> {
    let (environment, service) = (instance.environment.to_string(), instance.service.as_str());
    // Where another service has it, nothing is inserted and the comparison below says so.
    let mut insert = transaction.prepare_cached(
        "INSERT INTO port (port, environment, service) VALUES (?1, ?2, ?3) \
         ON CONFLICT (port) DO NOTHING",
    )?;
    insert.execute(params![port, environment, service])?;
    let mut select =
        transaction.prepare_cached("SELECT environment, service FROM port WHERE port = ?1")?;
    let owner: (String, String) = select.query_row([port], |it| Ok((it.get(0)?, it.get(1)?)))?;
    if owner != (environment, service.to_owned()) {
        let (theirs, name) = owner;
        let hint = format!("give one of them another port, or stop {theirs} first");
        return refused(format!("lease port {port}: service {name} of {theirs} has it"), hint);
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO lease (instance, port) VALUES (?1, ?2) \
         ON CONFLICT (instance) DO UPDATE SET port = excluded.port",
    )?;
    insert.execute(params![instance.id.0, port])?;
    Ok(())
}
