//! Answering a question for figures.

use policy::Bundle;
use projector::{Figures, REGISTRY, Registered};

use crate::{
    answer::{Answer, Table},
    desk::{Desk, Place},
    error::QueryError,
    plan::Plan,
    question::{Question, Standpoint},
    receipt::{Asked, Receipt},
    sums::Sums,
};

impl Desk<'_> {
    /// Answers a question for figures.
    ///
    /// # Errors
    /// When it makes no sense (the text says what would), or the log, the snapshot or a bundle cannot be read.
    pub fn figures(&self, question: &Question, standpoint: &Standpoint) -> Result<Answer, QueryError> {
        let (place, served) = self.serving(standpoint)?;
        let plan = Plan::new(question, &place.bundle)?;
        let table = match served {
            Some(figures) => self.table_of(&plan, &figures, &place.bundle)?,
            None => self.folded(&plan, &place)?,
        };
        let notes = plan.notes(&place.bundle);
        let Registered { name, version, .. } = REGISTRY[plan.projection];
        let receipt = Receipt::of(&table, &place.stand, Asked::Figures(question.clone()), (name, version));
        Ok(Answer { table, stand: place.stand, notes, receipt })
    }

    /// The place of a standpoint, and the snapshot's figures where they are those asked for.
    fn serving(&self, standpoint: &Standpoint) -> Result<(Place, Option<Figures>), QueryError> {
        let place = self.place(standpoint)?;
        if !place.snapshot {
            return Ok((place, None));
        }
        // Another snapshot may have been written meanwhile: the answer is of the one that is read.
        let (manifest, mut figures) = self.reader.figures()?;
        let same = |(ours, theirs): (&Registered, &projector::ProjectionVersion)| {
            ours.name == theirs.name && ours.version == theirs.version
        };
        let versions = &manifest.projections;
        if versions.len() != REGISTRY.len() || !REGISTRY.iter().zip(versions).all(same) {
            return Ok((place, None));
        }
        let mut place = place;
        if manifest.positions() != place.stand.positions || manifest.bundle != place.stand.bundle {
            let bundle = crate::desk::parse_digest(&manifest.bundle);
            place =
                self.place(&Standpoint { known: crate::Known::Positions(manifest.positions()), bundle })?;
        }
        figures.settle();
        Ok((place, Some(figures)))
    }

    fn table_of(&self, plan: &Plan<'_>, figures: &Figures, bundle: &Bundle) -> Result<Table, QueryError> {
        let periods = plan.periods();
        plan.table(&|at| figures.rows(plan.projection, plan.cube, periods[at]), bundle)
    }

    /// Folds everybody as of the place's positions.
    pub(crate) fn folded(&self, plan: &Plan<'_>, place: &Place) -> Result<Table, QueryError> {
        let periods = plan.periods();
        let (positions, bundle) = (&place.stand.positions, &place.bundle);
        let make = || Sums::new(&periods);
        let folded = self.reader.fold(self.log, positions, make, |sums: &mut Sums, subject, person| {
            sums.add(subject, person, bundle);
        })?;
        let mut all = make();
        folded.into_iter().for_each(|mut sums| all.merge(&mut sums));
        all.settle();
        plan.table(&|at| all.rows(plan.projection, plan.cube, at), bundle)
    }
}
