//! Rights: what a process gives up before it becomes the workload.
