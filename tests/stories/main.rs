//! Whole stories of runners, each played on the stand-in LXD with containers, on the stand-in
//! with virtual machines, and on a real LXD.
//!
//! `support/host.rs` says which real LXD that is.
#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    clippy::similar_names,
    clippy::duration_suboptimal_units,
    clippy::cognitive_complexity,
    reason = "a story is told in one piece, and says where it goes wrong"
)]

#[path = "../support/host.rs"]
pub mod host;
#[path = "../support/mod.rs"]
pub mod support;

pub mod stage;
pub mod tales;

/// Tales at one place.
macro_rules! tales {
    ($variant:ident $($module:ident :: $tale:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $tale() {
            let place = crate::stage::Place::$variant;
            if place.is_there() {
                crate::tales::$module::$tale(place).await;
            }
        })*
    };
}

/// Each tale at each place, and some at one kind of place only.
macro_rules! everywhere {
    ($($module:ident :: $tale:ident,)*) => {
        mod standin_containers {
            tales! { StandInContainers $($module::$tale,)* }
            tales! { StandInContainers
                many::two_hundred_live_through_every_fault,
                quiet::idle_runners_cost_no_request,
                life::a_hasty_guest_may_take_its_credential,
                removal::cleanup_says_when_lxd_does_not_answer,
                removal::cleanup_tells_of_instances_whose_runner_was_gone,
                many::orders_wait_for_their_turn,
                many::who_is_awaited_is_made_before_spare_ones,
                pushed::pushes_are_repeated_until_they_arrive,
                frost::what_lxd_does_not_freeze_stays_warm,
                logs::a_runner_that_ends_well_is_asked_for_no_logs,
                logs::a_failed_runner_is_held_over_a_restart,
                logs::a_hold_ends_with_its_time_or_with_whoever_deletes,
                trouble::what_was_made_in_part_is_made_anew,
                trouble::a_moment_of_error_ends_no_runner,
                trouble::a_runner_whose_processes_vanish_is_removed_after_a_grace,
            }
        }
        mod standin_machines {
            tales! { StandInMachines $($module::$tale,)* }
            tales! { StandInMachines
                many::two_hundred_live_through_every_fault,
                quiet::idle_runners_cost_no_request,
                life::a_hasty_guest_may_take_its_credential,
                removal::cleanup_says_when_lxd_does_not_answer,
                removal::cleanup_tells_of_instances_whose_runner_was_gone,
                many::orders_wait_for_their_turn,
                many::who_is_awaited_is_made_before_spare_ones,
                pushed::pushes_are_repeated_until_they_arrive,
                frost::what_lxd_does_not_freeze_stays_warm,
                logs::a_runner_that_ends_well_is_asked_for_no_logs,
                logs::a_failed_runner_is_held_over_a_restart,
                logs::a_hold_ends_with_its_time_or_with_whoever_deletes,
                trouble::a_moment_of_error_ends_no_runner,
                trouble::a_runner_whose_processes_vanish_is_removed_after_a_grace,
                trouble::a_machine_whose_agent_never_comes_meets_its_deadline,
                trouble::a_machine_whose_agent_is_lost_is_unknown_and_kept,
            }
        }
        mod real_lxd {
            tales! { RealLxd $($module::$tale,)* }
            tales! { RealLxd
                statuses::every_status_is_read_from_a_real_guest,
            }
        }
    };
}

everywhere! {
    life::a_runner_lives_its_whole_life,
    life::a_standby_gets_its_credential_late,
    life::a_registration_token_registers_too,
    many::twenty_at_once_run_one_job_each,
    removal::an_idle_runner_is_deleted_and_leaves_its_metrics,
    removal::a_busy_runner_is_deleted_only_by_force,
    removal::a_flush_takes_what_is_idle_then_what_is_busy,
    removal::a_runner_is_deleted_before_it_is_ready,
    removal::what_is_not_there_is_no_error,
    removal::a_remove_token_unregisters_from_inside,
    removal::cleanup_takes_orphans_and_leaves_strangers,
    trouble::a_boot_that_fails_is_told_with_its_reason,
    trouble::a_guest_that_is_never_ready_meets_its_deadline,
    trouble::a_killed_listener_ends_with_its_true_code,
    trouble::a_guest_that_powers_itself_off_mid_job_keeps_what_it_told,
    trouble::an_instance_deleted_by_someone_else_is_gone,
    trouble::an_instance_stopped_by_someone_else_is_gone,
    trouble::an_instance_frozen_by_someone_else_is_removed_after_a_grace,
    trouble::a_frozen_moment_is_forgiven,
    trouble::a_guest_that_does_not_answer_is_unknown_and_kept,
    hostile::hostile_files_harm_nobody_else,
    hostile::a_bell_that_never_stops_ringing_is_heard_seldom,
    pushed::guests_get_the_application_from_the_host,
    pushed::a_damaged_application_is_told_and_never_run,
    pushed::a_wait_for_the_application_holds_up_nothing,
    frost::a_frozen_standby_is_thawed_for_its_credential,
    frost::a_manager_goes_on_from_every_frost,
    frost::what_somebody_thaws_is_frozen_again,
    frost::a_frozen_standby_is_removed_as_it_is,
    frost::a_frozen_standby_outlives_a_lost_store,
    restart::a_manager_goes_on_from_every_phase,
    restart::a_lost_store_is_rebuilt_from_lxd,
}
