//! What larm relies on of LXD, as one suite that runs on every LXD there is: the real one, and
//! the stand-in that other tests use, so that the stand-in cannot drift from the real one.
//!
//! `support/host.rs` says which real LXD that is; `LARM_TEST_PREFIX` is what the instances' names
//! begin with there.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stdout, reason = "what is left out or left behind is said")]
#![expect(clippy::cognitive_complexity, reason = "every assertion counts as a branch")]

/// One `#[test]` for every case of the suite, on the target whose module it is used in.
macro_rules! contract {
    ($environment:path; $($room:ident { $($case:ident,)* })*) => {
        $(mod $room {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(environment) = $environment(stringify!($case)).await {
                    $crate::suite::$room::$case(environment).await;
                }
            })*
        })*
    };
}

/// The list of all cases: `on_target!(path::to::environment)` in a module of the target's name.
macro_rules! on_target {
    ($environment:path) => {
        contract! { $environment;
            server {
                says_what_it_is,
                knows_pools_and_networks,
                finds_an_image_by_alias,
                keeps_projects_and_profiles,
                refuses_politely_without_a_socket,
            }
            create {
                keeps_what_it_was_given,
                tells_what_was_never_started,
                accepts_a_name_twice_and_fails_in_the_operation,
                refuses_an_unknown_image_at_once,
                refuses_a_bad_name,
                fails_on_an_image_of_the_other_type,
                fails_on_an_unknown_pool,
                fails_on_an_unknown_profile,
                fails_on_user_data_that_is_no_yaml,
                lists_by_our_keys,
                copies_an_instance,
                takes_a_profile_with_keys_for_virtual_machines,
            }
            states {
                start_stop_and_delete,
                start_twice_and_stop_twice,
                refuses_to_delete_what_runs,
                stops_and_deletes_what_is_frozen,
                freezes_twice_and_thaws_twice,
                deletes_an_ephemeral_one_when_it_stops,
                tells_a_shutdown_from_inside,
                answers_none_for_what_is_not_there,
            }
            execs {
                returns_exit_codes,
                calls_missing_and_not_executable_commands_127_and_126,
                separates_caps_and_removes_the_output,
                runs_in_the_given_environment,
                refuses_on_stopped_frozen_and_missing,
                ends_when_the_instance_is_stopped,
                rings_as_a_bell,
                carries_the_command_line_in_its_event,
                talks_over_a_terminal,
            }
            files {
                writes_and_reads_with_owner_and_mode,
                stops_reading_at_the_cap,
                shows_directories_and_symlinks,
                answers_none_for_what_is_missing,
                refuses_to_write_into_a_missing_directory,
                works_before_the_first_start,
            }
            operations {
                are_waited_for_with_and_without_events,
                end_at_the_limit,
                are_forgotten_soon_after_their_end,
                are_listed_while_under_way,
                are_waited_for_by_many_at_once,
            }
            events {
                come_for_every_step_of_a_life,
                say_connected_first_and_stop_when_told,
                say_when_the_stream_is_down,
            }
            images {
                are_made_from_one_archive,
                are_made_from_two_files,
                need_files_that_are_there,
                are_made_from_an_instance,
                of_a_server_that_is_away_fail_in_the_operation,
            }
            networks {
                keep_acls_and_refuse_late_changes,
                have_acls_that_are_in_use_then,
            }
            logs {
                keep_the_console,
                answer_none_for_what_is_missing,
            }
        }
    };
}

#[path = "../support/host.rs"]
pub mod host;
#[path = "../support/mod.rs"]
pub mod support;

// Below the macros, which are known from here on.
mod real;
mod standin;
mod suite;
