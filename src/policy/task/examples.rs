//! Labelled examples of each kind of work, as vectors.

use crate::{ident::TaskName, units::dot};

/// So many of a task's nearest examples count.
const NEAREST: usize = 3;

/// Why examples can't be compared with anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExample {
    /// Vectors of two lengths are of two encoders.
    #[error("an example of `{task}` has a vector of {found} numbers, others have {dimension}")]
    Dimension {
        /// Whose example it is.
        task: TaskName,
        /// How many numbers it has.
        found: usize,
        /// How many it should have.
        dimension: usize,
    },
    /// A number is infinite or none at all.
    #[error("an example of `{task}` has a vector with a number that is not finite")]
    NotFinite {
        /// Whose example it is.
        task: TaskName,
    },
}

/// The tasks that a request may be, with the unit vectors of their examples. Tasks may have none: then only
/// signs speak for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Examples {
    tasks: Vec<Task>,
    dimension: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Task {
    name: TaskName,
    /// All vectors, one behind the other.
    vectors: Vec<f32>,
    /// The direction of their sum; empty without vectors.
    centre: Vec<f32>,
}

impl Examples {
    /// The examples of `tasks`, each with its unit vectors. The order of tasks decides between equals.
    ///
    /// # Errors
    /// [`BadExample`] if a vector has another length than those before it, or a number is not finite.
    pub fn new(
        tasks: impl IntoIterator<Item = (TaskName, Vec<Vec<f32>>)>,
    ) -> Result<Self, BadExample> {
        let mut examples = Self::default();
        for (name, vectors) in tasks {
            let mut task = Task {
                name,
                vectors: Vec::new(),
                centre: Vec::new(),
            };
            for vector in vectors {
                examples.check(&task.name, &vector)?;
                task.centre.resize(vector.len(), 0.0);
                for (sum, number) in task.centre.iter_mut().zip(&vector) {
                    *sum += number;
                }
                task.vectors.extend(vector);
            }
            let length = dot(&task.centre, &task.centre).sqrt();
            // Examples that cancel each other out have no centre.
            if length.is_normal() {
                task.centre.iter_mut().for_each(|number| *number /= length);
            }
            examples.tasks.push(task);
        }
        Ok(examples)
    }

    fn check(&mut self, task: &TaskName, vector: &[f32]) -> Result<(), BadExample> {
        if self.dimension == 0 {
            self.dimension = vector.len();
        }
        if vector.len() != self.dimension || vector.is_empty() {
            return Err(BadExample::Dimension {
                task: task.clone(),
                found: vector.len(),
                dimension: self.dimension,
            });
        }
        if vector.iter().all(|number| number.is_finite()) {
            Ok(())
        } else {
            Err(BadExample::NotFinite { task: task.clone() })
        }
    }

    /// The names of the tasks, in their order.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskName> {
        self.tasks.iter().map(|task| &task.name)
    }

    /// How near `vector` is to each task, in their order, −1 ..= 1: half its cosine with the centre of
    /// the task's examples, half the mean of those with the nearest three. `None` if it can't be
    /// compared.
    ///
    /// The centre knows what a task is on the whole, the nearest know its corners; measured, both
    /// together are better than either, and as good as a linear classifier that is fitted to the
    /// examples (`docs/routing.md`).
    pub(super) fn similarities(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if vector.len() != self.dimension || vector.is_empty() {
            return None;
        }
        let similarities: Vec<f32> = self
            .tasks
            .iter()
            .map(|task| task.similarity(vector))
            .collect();
        let are_finite = similarities.iter().all(|similarity| similarity.is_finite());
        are_finite.then_some(similarities)
    }
}

impl Task {
    fn similarity(&self, vector: &[f32]) -> f32 {
        let mut nearest = [f32::NEG_INFINITY; NEAREST];
        let mut count = 0_usize;
        for example in self.vectors.chunks_exact(vector.len()) {
            // Each place keeps the nearer one and passes the other on.
            let mut cosine = dot(example, vector);
            for place in &mut nearest {
                if cosine > *place {
                    std::mem::swap(place, &mut cosine);
                }
            }
            count += 1;
        }
        let (mut sum, mut taken) = (0.0, 0.0);
        for cosine in nearest.iter().take(count) {
            sum += cosine;
            taken += 1.0;
        }
        if count == 0 {
            return 0.0;
        }
        f32::midpoint(dot(&self.centre, vector), sum / taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> TaskName {
        TaskName::new(name).unwrap()
    }

    #[test]
    fn centre_and_nearest_count_alike() {
        let (near, far) = (vec![1.0, 0.0], vec![0.0, 1.0]);
        let vectors = vec![near.clone(), near.clone(), near.clone(), far];
        let examples = Examples::new([(named("t"), vectors)]).unwrap();
        let found = examples.similarities(&near).unwrap()[0];
        let centre = 3.0 / 10.0_f32.sqrt();
        assert!((found - f32::midpoint(centre, 1.0)).abs() < 1e-6, "{found}");
    }

    #[test]
    fn few_examples_are_enough_and_none_are_allowed() {
        let tasks = [
            (named("one"), vec![vec![0.0, 1.0]]),
            (named("none"), vec![]),
        ];
        let examples = Examples::new(tasks).unwrap();
        assert_eq!(examples.similarities(&[0.0, 1.0]), Some(vec![1.0, 0.0]));
        let opposite =
            Examples::new([(named("t"), vec![vec![1.0, 0.0], vec![-1.0, 0.0]])]).unwrap();
        assert_eq!(opposite.similarities(&[1.0, 0.0]), Some(vec![0.0]));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let two = |second: Vec<f32>| Examples::new([(named("t"), vec![vec![1.0, 0.0], second])]);
        assert_eq!(
            two(vec![1.0]).unwrap_err().to_string(),
            "an example of `t` has a vector of 1 numbers, others have 2"
        );
        assert!(two(vec![]).is_err() && Examples::new([(named("t"), vec![vec![]])]).is_err());
        assert_eq!(
            two(vec![f32::NAN, 0.0]),
            Err(BadExample::NotFinite { task: named("t") })
        );
        let examples = two(vec![0.0, 1.0]).unwrap();
        for vector in [
            &[][..],
            &[1.0],
            &[1.0, 0.0, 0.0],
            &[f32::NAN, 0.0],
            &[f32::INFINITY, 0.0],
        ] {
            assert_eq!(examples.similarities(vector), None, "{vector:?}");
        }
        assert_eq!(Examples::default().similarities(&[1.0]), None);
    }
}
